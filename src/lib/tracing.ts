/** Part of a span of OpenTelemetry. */
export interface TraceSpan {
  /** Adds an attribute. */
  setAttribute(name: string, value: string | number): unknown;
  /** Sets the outcome. @param status - `code` as `SpanStatusCode` of OpenTelemetry */
  setStatus(status: { code: number }): unknown;
  /** Ends the span. */
  end(): void;
}

/** Options of a span. */
export interface TraceSpanOptions {
  /** As `SpanKind` of OpenTelemetry. */
  readonly kind?: number;
  /** Whether it begins a trace. */
  readonly root?: boolean;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** Part of a `Tracer` of `@opentelemetry/api`. */
export interface Tracer {
  /** Calls `run` at once, and returns its result. */
  startActiveSpan<T>(name: string, options: TraceSpanOptions, run: (span: TraceSpan) => T): T;
}

/** `SpanKind.SERVER` of OpenTelemetry. */
export const SERVER_SPAN = 1;
/** `SpanStatusCode.ERROR` of OpenTelemetry. */
export const ERROR_STATUS = 2;

/** Runs `run` in a span, which fails if `run` rejects. Without a tracer there is no span. */
export function traced<T>(
  tracer: Tracer | undefined,
  name: string,
  options: TraceSpanOptions,
  run: (span?: TraceSpan) => Promise<T>,
): Promise<T> {
  if (tracer === undefined) return run();
  return tracer.startActiveSpan(name, options, async (span) => {
    try {
      return await run(span);
    } catch (error) {
      span.setStatus({ code: ERROR_STATUS });
      throw error;
    } finally {
      span.end();
    }
  });
}
