import type { CallSession, CallType, CommClient, Conversation } from 'lumen-comm';
import { Cell, childAbort } from '../lib/watch.ts';

/** What a mesh can carry, oneself included. */
export const MOST_IN_CALL: Readonly<Record<CallType, number>> = { video: 4, audio: 8 };
/** Long enough to read why it ended. */
const END_SHOWN_MS = 6_000;

export type StageSize = 'full' | 'compact';

export interface CallTarget {
  readonly conversationId: string;
  readonly type: CallType;
  readonly calleeIds: readonly string[];
}

/** What somebody wanted and could not have, and what they can try instead. */
export interface CallProblem {
  readonly error: unknown;
  readonly target: CallTarget;
}

/** The calls of this page: those that ring, the one that is being set up, and the one on the stage. */
export class CallDesk {
  /** The call that is on the stage, until a moment after its end. */
  readonly session = new Cell<CallSession | undefined>(undefined);
  readonly ringing = new Cell<readonly CallSession[]>([]);
  /** A call that has no session yet: the browser may be asking for the camera. */
  readonly starting = new Cell<CallTarget | undefined>(undefined);
  readonly problem = new Cell<CallProblem | undefined>(undefined);
  readonly size = new Cell<StageSize>('full');
  /** Changes when a call begins or ends. */
  readonly isFree = new Cell(true);
  readonly #client: CommClient;
  readonly #userId: string;
  readonly #signal: AbortSignal;
  #attempt = new AbortController();

  constructor(client: CommClient, userId: string, signal: AbortSignal) {
    this.#client = client;
    this.#userId = userId;
    this.#signal = signal;
    client.on('call', (session) => this.#ring(session), { signal });
    signal.addEventListener('abort', () => this.session.value?.hangup());
  }

  calleesOf({ participants }: Conversation): string[] {
    return participants.map(({ userId }) => userId).filter((id) => id !== this.#userId);
  }

  start(target: CallTarget): void {
    if (!this.isFree.value) return;
    this.#attempt = childAbort(this.#signal);
    void this.#start(target, this.#attempt.signal);
  }

  /** Gives up a call that is still being set up. */
  cancel(): void {
    this.#attempt.abort();
  }

  /** @param type - whether one's own camera is on */
  accept(session: CallSession, type: CallType): void {
    const current = this.session.value;
    this.#silence(session);
    // One can't talk in two places.
    if (current !== undefined) current.hangup();
    this.#show(session);
    session.accept({ audio: true, video: type === 'video' }).catch((error: unknown) => {
      const { conversationId, callerId } = session;
      if (session.detail === 'answered_elsewhere') return;
      this.problem.set({ error, target: { conversationId, type, calleeIds: [callerId] } });
    });
  }

  decline(session: CallSession): void {
    this.#silence(session);
    session.reject();
  }

  /** Puts the call off the stage that has ended. */
  close(): void {
    if (this.session.value?.state === 'ended') this.session.set(undefined);
  }

  async #start(target: CallTarget, signal: AbortSignal): Promise<void> {
    const { conversationId, type, calleeIds } = target;
    this.starting.set(target);
    this.#look();
    try {
      const session = await this.#client.calls.start({ conversationId, type, calleeIds }, { signal });
      this.starting.set(undefined);
      this.#show(session);
    } catch (error) {
      if (!signal.aborted) this.problem.set({ error, target });
    } finally {
      this.starting.set(undefined);
      this.#look();
    }
  }

  #ring(session: CallSession): void {
    const look = (): void => {
      if (session.state !== 'ringing') this.#silence(session);
    };
    this.ringing.set([...this.ringing.value, session]);
    const stop = session.subscribe(look);
    void session.ended.then(() => {
      stop();
      this.#silence(session);
    });
    look();
  }

  #silence(session: CallSession): void {
    if (this.ringing.value.includes(session)) this.ringing.set(this.ringing.value.filter((each) => each !== session));
  }

  #show(session: CallSession): void {
    this.size.set('full');
    this.session.set(session);
    this.#look();
    void session.ended.then((reason) => {
      this.#look();
      const leave = (): void => {
        if (this.session.value === session) this.close();
      };
      // Nobody has to be told for long that they talked and hung up.
      setTimeout(leave, reason === 'completed' ? END_SHOWN_MS / 4 : END_SHOWN_MS);
    });
  }

  #look(): void {
    const { value } = this.session;
    this.isFree.set(this.starting.value === undefined && (value === undefined || value.state === 'ended'));
  }
}
