import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from 'vitest';
import type { Tracer, TraceSpan, TraceSpanOptions } from '../../../src/server/index.ts';
import { startServer } from '../../helpers/server/comm-server.ts';

interface RecordedSpan {
  readonly name: string;
  readonly parent: string | undefined;
  readonly options: TraceSpanOptions;
  readonly attributes: Record<string, string | number>;
  status: number;
  isEnded: boolean;
}

/** A tracer as an app sets it up with OpenTelemetry: the active span follows asynchronous calls. */
class RecordingTracer implements Tracer {
  readonly spans: RecordedSpan[] = [];
  readonly #active = new AsyncLocalStorage<RecordedSpan>();

  startActiveSpan<T>(name: string, options: TraceSpanOptions, run: (span: TraceSpan) => T): T {
    const parent = options.root === true ? undefined : this.#active.getStore()?.name;
    const attributes = { ...options.attributes };
    const span: RecordedSpan = { name, parent, options, attributes, status: 0, isEnded: false };
    this.spans.push(span);
    const handle = {
      setAttribute: (key: string, value: string | number) => void (attributes[key] = value),
      setStatus: ({ code }: { code: number }) => void (span.status = code),
      end: () => void (span.isEnded = true),
    };
    return this.#active.run(span, () => run(handle));
  }

  named(name: string): RecordedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }
}

test('requests and transactions are spans, without ids', async () => {
  const tracer = new RecordingTracer();
  await using server = await startServer({ tracer });
  const ada = await server.connect('ada-lovelace');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
  await ada.ask('message:send', { conversationId, content: 'hello', type: 'text' });
  await ada.refused('message:send', { conversationId: 'unknown', content: 'hello', type: 'text' });
  await server.rest(`/conversations/${conversationId}/messages`, 'ada-lovelace');
  await server.rest('/conversations/unknown', 'ada-lovelace');

  expect(tracer.named('message:send')).toMatchObject([
    { parent: undefined, options: { kind: 1 }, attributes: {}, status: 0, isEnded: true },
    { attributes: { 'error.type': 'NOT_FOUND' }, status: 0, isEnded: true },
  ]);
  expect(tracer.spans.filter(({ name }) => name.startsWith('REST '))).toMatchObject([
    { attributes: {}, isEnded: true },
    { attributes: { 'error.type': 'NOT_FOUND' }, isEnded: true },
  ]);
  const commits = tracer.named('commit');
  expect(commits.length).toBeGreaterThanOrEqual(2);
  for (const commit of commits) {
    expect(commit).toMatchObject({ parent: undefined, isEnded: true });
    expect(commit.attributes['lumen_comm.writes']).toBeGreaterThanOrEqual(1);
  }
  expect(JSON.stringify(tracer.spans)).not.toMatch(new RegExp(`ada-lovelace|hello|${conversationId}`));
});

test('a hook of the app runs within the span of the request, and its failure is an error of it', async () => {
  const tracer = new RecordingTracer();
  const beforeMessage = async (): Promise<undefined> =>
    await tracer.startActiveSpan<Promise<undefined>>('review', {}, () => Promise.reject(new Error('no reviewer')));
  await using server = await startServer({ tracer, hooks: { beforeMessage } });
  const ada = await server.connect('ada');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
  const { code } = await ada.refused('message:send', { conversationId, content: 'hello', type: 'text' });
  expect(tracer.named('review')).toMatchObject([{ parent: 'message:send' }]);
  expect(tracer.named('message:send')).toMatchObject([{ attributes: { 'error.type': code }, status: 2 }]);
});
