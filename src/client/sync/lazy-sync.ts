import { Gate } from '../../lib/gate.ts';
import type { Lazy } from '../../lib/lazy.ts';
import type { Message } from '../../protocol/messages.ts';
import type { PushFrame } from '../../transport/frames.ts';
import type { PushRouter } from './push-router.ts';

/** The push router behind its chunk, which loads during the handshake. */
export class LazySync {
  readonly #router: Lazy<PushRouter>;
  /** Closed until the chunk has loaded. If the connection is lost before, the buffered pushes are dropped. */
  readonly #pushes = new Gate<PushFrame>((frame) => this.#router.current?.pushed(frame));

  constructor(router: Lazy<PushRouter>) {
    this.#router = router;
  }

  /** Loads the chunk. An error is ignored here: the next use tries again and rejects. */
  preload(): void {
    this.#load().catch(() => undefined);
  }

  pushed(frame: PushFrame): void {
    this.#pushes.push(frame);
  }

  connectionLost(): void {
    this.#pushes.reset();
    this.#router.current?.connectionLost();
  }

  async resync(isCurrent: () => boolean): Promise<void> {
    await (await this.#load()).resync(isCurrent);
  }

  /** Joins the room of a conversation. */
  async join(conversationId: string): Promise<void> {
    await (await this.#load()).join(conversationId);
  }

  /** Applies a message that could not be decrypted before. */
  amend(message: Message): void {
    this.#router.current?.amend(message);
  }

  /** The user signs out: forgets the position. */
  forget(): void {
    this.#router.current?.forget();
  }

  /** Stores the position. */
  async save(): Promise<void> {
    await this.#router.current?.save();
  }

  async #load(): Promise<PushRouter> {
    const router = await this.#router();
    this.#pushes.open();
    return router;
  }
}
