import { CommError, isCommError } from '../../../protocol/errors.ts';

/** The fields of an RTCPeerConnectionIceErrorEvent (W3C WebRTC 4.8.2) that are evaluated. */
export type CandidateError = Pick<RTCPeerConnectionIceErrorEvent, 'errorCode' | 'errorText' | 'url'>;

/** The code of the browser for a server that can't be reached. Other codes are those of STUN (RFC 8489, section 14.8). */
const UNREACHABLE = 701;

/**
 * Collects the errors of STUN and TURN servers. An error that a server answers with is reported at once, once per server.
 * Whether a server can be reached differs by network interface, so that is reported only when a connection fails.
 */
export class IceServerMonitor {
  readonly #report: (error: CommError) => void;
  readonly #refused = new Set<string>();
  readonly #unreachable = new Set<string>();

  constructor(report: (error: CommError) => void) {
    this.#report = report;
  }

  /** Processes an error of a connection. */
  onCandidateError({ url, errorCode, errorText }: CandidateError): void {
    if (errorCode === UNREACHABLE) {
      this.#unreachable.add(url);
      return;
    }
    if (this.#refused.has(url)) return;
    this.#refused.add(url);
    const isCredential = errorCode === 401 || errorCode === 403;
    const fix = isCredential ? 'Check username, credential and expiry of `iceServers`.' : undefined;
    const message = `${url} answered with ${errorCode} ${errorText}`.trimEnd();
    this.#report(new CommError('UNAVAILABLE', message, { fix }));
  }

  /** The option `iceServers` failed, or its answer can't be used. */
  onConfigError(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#report(
      isCommError(cause) ? cause : new CommError('UNAVAILABLE', `iceServers can't be used: ${reason}`, { cause }),
    );
  }

  /** A connection failed: reports the servers that could not be reached. */
  onFailed(): void {
    for (const url of this.#unreachable) this.#report(new CommError('UNAVAILABLE', `${url} can't be reached`));
    this.#unreachable.clear();
  }
}
