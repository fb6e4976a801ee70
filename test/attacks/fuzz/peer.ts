import * as v from 'valibot';
import { DEFAULT_NAMESPACE, DEFAULT_SOCKET_PATH } from '../../../src/protocol/constants.ts';
import { errorBodySchema, REQUEST_SCHEMAS } from '../../../src/protocol/event-schemas.ts';
import type { RequestName } from '../../../src/protocol/events.ts';

/** A finding of the fuzzer: what is wrong, and the input that caused it. */
export class Finding extends Error {
  constructor(problem: string, input: string) {
    super(`${problem}\n  input: ${input.slice(0, 2_000)}`);
    this.name = 'Finding';
  }
}

const replySchema = v.variant('ok', [
  v.object({ ok: v.literal(true), data: v.unknown() }),
  v.object({ ok: v.literal(false), error: errorBodySchema }),
]);

interface Pending {
  readonly name: RequestName;
  readonly input: string;
}

/** Checks a reply against the protocol. Returns its error code, or `ok`. */
function checkReply(name: RequestName, reply: unknown, input: string): string {
  const parsed = v.safeParse(replySchema, reply);
  if (!parsed.success) throw new Finding(`${name} was answered with ${JSON.stringify(reply)}`, input);
  if (!parsed.output.ok) {
    const { code, message } = parsed.output.error;
    if (code === 'INTERNAL') throw new Finding(`${name} was answered with INTERNAL: ${message}`, input);
    return code;
  }
  const data = v.safeParse(REQUEST_SCHEMAS[name].res, parsed.output.data);
  if (!data.success) throw new Finding(`The answer to ${name} does not fit: ${data.issues[0].message}`, input);
  return 'ok';
}

const OPEN_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 60_000;

/** A hostile peer on one WebSocket, which writes frames by hand. */
export class Peer {
  readonly #url: string;
  readonly #userId: string;
  readonly #received: (text: string) => void;
  #socket: WebSocket | undefined;
  #lastId = 0;
  readonly #pending = new Map<number, Pending>();
  #answered: (() => void) | undefined;
  #problem: Error | undefined;
  readonly counts: Map<string, number>;

  /** @param received - called with every frame, to look for secrets and ids */
  constructor(url: string, userId: string, counts: Map<string, number>, received: (text: string) => void) {
    this.#url = url;
    this.#userId = userId;
    this.#received = received;
    this.counts = counts;
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Opens the socket and enters the namespace. */
  async open(): Promise<void> {
    const address = `${this.#url.replace('http', 'ws')}${DEFAULT_SOCKET_PATH}?EIO=4&transport=websocket&userId=${this.#userId}`;
    const socket = new WebSocket(address);
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Finding('A peer could not connect', this.#userId)), OPEN_TIMEOUT_MS);
      socket.addEventListener('message', ({ data }) => {
        const text = String(data);
        if (text.startsWith('0')) socket.send(`40${DEFAULT_NAMESPACE},{"caps":["ack","rev"]}`);
        if (!text.startsWith(`40${DEFAULT_NAMESPACE}`)) return;
        clearTimeout(timer);
        resolve();
      });
      socket.addEventListener('close', () => {
        clearTimeout(timer);
        reject(new Finding('A peer was disconnected while it connected', this.#userId));
      });
    });
    socket.addEventListener('message', ({ data }) => this.#receive(String(data)));
    socket.addEventListener('close', () => this.#answered?.());
  }

  /** Sends a frame as it is. */
  write(text: string): void {
    this.#socket?.send(text);
  }

  /** Sends a request with an acknowledgement. */
  request(name: RequestName, json: string): void {
    const id = (this.#lastId += 1);
    this.#pending.set(id, { name, input: json });
    this.write(`42${DEFAULT_NAMESPACE},${id}["nk:${name}",${json}]`);
  }

  /** Resolves when all requests are answered. Throws the first finding. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0 && this.#problem === undefined && this.isOpen) {
      await new Promise<void>((resolve, reject) => {
        const unanswered = (): void => {
          const [first] = this.#pending.values();
          reject(new Finding(`${first?.name} was not answered in ${ANSWER_TIMEOUT_MS} ms`, first?.input ?? ''));
        };
        const timer = setTimeout(unanswered, ANSWER_TIMEOUT_MS);
        this.#answered = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    if (this.#problem !== undefined) throw this.#problem;
    const [unanswered] = this.#pending.values();
    if (unanswered !== undefined) throw new Finding('The server closed the socket of a request', unanswered.input);
  }

  close(): void {
    this.#socket?.close();
  }

  #receive(text: string): void {
    if (text === '2') return this.write('3');
    this.#received(text);
    const answer = new RegExp(`^43${DEFAULT_NAMESPACE},(\\d+)(\\[.*\\])$`, 's').exec(text);
    if (answer === null) return;
    const id = Number(answer[1]);
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    try {
      const [reply] = JSON.parse(answer[2] ?? '') as [unknown];
      const outcome = checkReply(pending.name, reply, `${pending.name} ${pending.input}`);
      this.counts.set(outcome, (this.counts.get(outcome) ?? 0) + 1);
    } catch (error) {
      this.#problem ??= error instanceof Error ? error : new Error('The frame could not be read', { cause: error });
    }
    if (this.#pending.size === 0 || this.#problem !== undefined) this.#answered?.();
  }
}
