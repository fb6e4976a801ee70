import { isCommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import { fields } from '../../transport/fields.ts';
import type { ClientContext } from '../context.ts';
import { keepPin, NAMES, pinIn, type Account } from './account.ts';
import type { Accounts } from './accounts.ts';
import type { Incoming } from './incoming.ts';
import type { Mailbox } from './mailbox.ts';
import type { Members } from './members.ts';
import type { Publisher } from './publisher.ts';
import { PushQueue } from './push-queue.ts';
import { encryptedIn, replacedIn } from './rows.ts';

export interface IntakeParts {
  readonly accounts: Accounts;
  readonly incoming: Incoming;
  readonly mailbox: Mailbox;
  readonly members: Members;
  readonly publisher: Publisher;
  /** Shows a message that can be read now. */
  amend(message: Message): void;
}

/** What the server pushes: decrypted and handed on in the order in which it came. */
export class Intake {
  readonly #context: ClientContext;
  readonly #parts: IntakeParts;
  readonly #queue: PushQueue;

  constructor(context: ClientContext, parts: IntakeParts) {
    this.#context = context;
    this.#parts = parts;
    this.#queue = new PushQueue(context.report);
  }

  pushed(event: string, data: unknown, deliver: (event: string, data: unknown) => void): void {
    const pass = (): void => deliver(event, data);
    const row = fields(data);
    switch (event) {
      case 'encryption:session-established':
        // Anybody can say so: it is told when the peer's own acknowledgement is decrypted.
        return;
      case 'encryption:session-init':
        this.#parts.mailbox.expect();
        return this.#queue.run(() => this.#take(data), pass);
      case 'encryption:keys-depleted':
        return this.#queue.run(() => this.#withAccount((account) => this.#parts.publisher.depleted(account)), pass);
      case 'encryption:keys-changed':
        return this.#queue.run(() => this.#keysChanged(row?.['userId']), pass);
      case 'message:deleted': {
        const messageId = row?.['messageId'];
        if (typeof messageId !== 'string') return this.#queue.run(undefined, pass);
        return this.#queue.run(() => this.#deleted(messageId), pass);
      }
      default: {
        const rows = encryptedIn(data);
        if (!this.#context.has('rev'))
          void this.#withAccount((account) => this.#parts.members.learn(account, event, data));
        if (rows.length === 0) return this.#queue.run(undefined, pass);
        const read = async (): Promise<unknown> => replacedIn(data, await this.#parts.incoming.read(rows, true));
        return this.#queue.run(read, (opened) => deliver(event, opened));
      }
    }
  }

  async #take(data: unknown): Promise<void> {
    try {
      await this.#withAccount((account) => this.#parts.mailbox.take(account, data));
    } finally {
      this.#parts.mailbox.taken();
    }
  }

  /** Nothing that a server pushes may fail with the storage. */
  async #withAccount(task: (account: Account) => Promise<void>): Promise<void> {
    try {
      await task(await this.#parts.accounts.get());
    } catch (error) {
      // That what is stored can't be opened was told when it was tried.
      if (!isCommError(error) || error.code !== 'E2EE_LOCKED') this.#context.report(error);
    }
  }

  #keysChanged(userId: unknown): Promise<void> {
    return this.#withAccount(async (account) => {
      if (typeof userId !== 'string') return;
      if (userId === account.userId) return this.#parts.publisher.check(account);
      const name = NAMES.pin(userId);
      await account.records.transact([name], (view) => {
        const pin = pinIn(view, userId);
        if (pin !== undefined) keepPin(view, userId, { ...pin, stale: true });
      });
    });
  }

  async #deleted(messageId: string): Promise<void> {
    this.#parts.incoming.forget(messageId);
    await this.#withAccount((account) => account.records.transact([], (view) => view.delete(NAMES.text(messageId))));
  }

  /** Behind what is being read now, which may be what makes the rest readable. */
  heal(account: Account, senderId: string): void {
    this.#queue.run(
      () => this.#parts.incoming.retry(account, senderId),
      (healed) => {
        for (const message of (healed ?? []) as Message[]) this.#parts.amend(message);
      },
    );
  }

  /** What hasn't passed yet is of nobody's interest any more. */
  clear(): void {
    this.#queue.clear();
    this.#parts.mailbox.clear();
  }
}
