import type { CallSession, CallType, CommClient, Conversation, MediaPreview } from 'lumen-comm';
import { Cell, childAbort } from '../lib/watch.ts';

/** Maximum number of participants of a mesh call, including the local user. */
export const MAX_PARTICIPANTS: Readonly<Record<CallType, number>> = { video: 4, audio: 8 };
/** How long an ended call stays visible. */
const ENDED_VISIBLE_MS = 6_000;

export type StageSize = 'full' | 'compact';

export interface CallTarget {
  readonly conversationId: string;
  readonly type: CallType;
  readonly calleeIds: readonly string[];
}

/** A call that could not be started or accepted. */
export interface CallFailure {
  readonly error: unknown;
  readonly target: CallTarget;
}

/** The calls of this page: ringing, being started, and shown in the call view. */
export class CallStore {
  /** The call in the call view, until shortly after its end. */
  readonly session = new Cell<CallSession | undefined>(undefined);
  /** The call on hold. */
  readonly held = new Cell<CallSession | undefined>(undefined);
  readonly ringing = new Cell<readonly CallSession[]>([]);
  /** A call without a session yet, while the browser may ask for permission. */
  readonly starting = new Cell<CallTarget | undefined>(undefined);
  readonly failure = new Cell<CallFailure | undefined>(undefined);
  readonly size = new Cell<StageSize>('full');
  /** False during a call. */
  readonly isFree = new Cell(true);
  readonly #client: CommClient;
  readonly #userId: string;
  readonly #signal: AbortSignal;
  readonly #shown = new WeakSet<CallSession>();
  #attempt = new AbortController();
  /** True while the current call is being put on hold. */
  #isHolding = false;

  constructor(client: CommClient, userId: string, signal: AbortSignal) {
    this.#client = client;
    this.#userId = userId;
    this.#signal = signal;
    client.on('call', (session) => this.#ring(session), { signal });
    signal.addEventListener('abort', () => {
      this.session.value?.hangup();
      this.held.value?.hangup();
    });
  }

  calleesOf({ participants }: Conversation): string[] {
    return participants.map(({ userId }) => userId).filter((id) => id !== this.#userId);
  }

  /** @param preview - whose devices the call takes over */
  start(target: CallTarget, preview?: MediaPreview): void {
    if (!this.isFree.value) return preview?.stop();
    this.#attempt = childAbort(this.#signal);
    const { conversationId, type, calleeIds } = target;
    const { signal } = this.#attempt;
    void this.#open(target, signal, () =>
      this.#client.calls.start({ conversationId, type, calleeIds, preview }, { signal }),
    );
  }

  /** Joins the running call of a conversation. A call of another window of this user moves here. */
  join(target: CallTarget): void {
    if (!this.isFree.value) return;
    this.#attempt = childAbort(this.#signal);
    const { conversationId, type } = target;
    const media = { audio: true, video: type === 'video' };
    const { signal } = this.#attempt;
    void this.#open(target, signal, () => this.#client.calls.join(conversationId, media, { signal }));
  }

  /** Cancels a call that is being started. */
  cancel(): void {
    this.#attempt.abort();
  }

  /**
   * Accepts a call, putting the current one on hold. Does nothing while another one is on hold already.
   *
   * @param type - `video` turns the camera on
   */
  accept(session: CallSession, type: CallType): void {
    if (this.#isHolding || (this.held.value !== undefined && !this.isFree.value)) return;
    this.#accept(session, type).catch((error: unknown) => {
      const { conversationId, callerId } = session;
      if (session.detail === 'answered_elsewhere') return;
      this.failure.set({ error, target: { conversationId, type, calleeIds: [callerId] } });
      // Its end takes the other call up again.
      if (this.held.value !== undefined) session.reject();
    });
  }

  async #accept(session: CallSession, type: CallType): Promise<void> {
    const current = this.session.value;
    if (current !== undefined && current.state !== 'ended') {
      this.#isHolding = true;
      try {
        await current.setHold(true);
      } finally {
        this.#isHolding = false;
      }
      this.held.set(current);
    }
    this.#removeRinging(session);
    this.#show(session);
    await session.accept({ audio: true, video: type === 'video' });
  }

  /** Takes up the call on hold, and puts the current one on hold. */
  async swap(): Promise<void> {
    const next = this.held.value;
    const current = this.session.value;
    if (next === undefined) return;
    await next.setHold(false);
    this.held.set(current?.state === 'ended' ? undefined : current);
    this.#show(next);
  }

  decline(session: CallSession): void {
    this.#removeRinging(session);
    session.reject();
  }

  /** Closes the view of an ended call. */
  close(): void {
    if (this.session.value?.state === 'ended') this.session.set(undefined);
  }

  async #open(target: CallTarget, signal: AbortSignal, open: () => Promise<CallSession>): Promise<void> {
    this.starting.set(target);
    this.#updateIsFree();
    try {
      const session = await open();
      this.starting.set(undefined);
      this.#show(session);
    } catch (error) {
      if (!signal.aborted) this.failure.set({ error, target });
    } finally {
      this.starting.set(undefined);
      this.#updateIsFree();
    }
  }

  #ring(session: CallSession): void {
    const update = (): void => {
      if (session.state !== 'ringing') this.#removeRinging(session);
    };
    this.ringing.set([...this.ringing.value, session]);
    const stop = session.subscribe(update);
    void session.ended.then(() => {
      stop();
      this.#removeRinging(session);
    });
    update();
  }

  #removeRinging(session: CallSession): void {
    if (this.ringing.value.includes(session)) this.ringing.set(this.ringing.value.filter((each) => each !== session));
  }

  #show(session: CallSession): void {
    this.size.set('full');
    this.session.set(session);
    this.#updateIsFree();
    if (this.#shown.has(session)) return;
    this.#shown.add(session);
    void session.ended.then((reason) => {
      this.#updateIsFree();
      if (this.held.value === session) this.held.set(undefined);
      // The call on hold is taken up when the other one ends.
      else if (this.session.value === session) this.swap().catch(() => undefined);
      const leave = (): void => {
        if (this.session.value === session) this.close();
      };
      // A call that ended normally is shown for a shorter time.
      setTimeout(leave, reason === 'completed' ? ENDED_VISIBLE_MS / 4 : ENDED_VISIBLE_MS);
    });
  }

  #updateIsFree(): void {
    const { value } = this.session;
    this.isFree.set(this.starting.value === undefined && (value === undefined || value.state === 'ended'));
  }
}
