import { uuidv7 } from '../../lib/ids.ts';
import { CommError, isCommError } from '../../protocol/errors.ts';
import type { CallKey, CallKeys as Port, TakeCallKey } from '../cipher.ts';
import type { ClientContext } from '../context.ts';
import { encryptIn, NAMES, postIn, type Account } from './account.ts';
import type { Accounts } from './accounts.ts';
import { CALL, readCallKey } from './call-key-record.ts';
import type { Post } from './post.ts';
import type { Publisher } from './publisher.ts';
import { isUsable, type Sessions } from './sessions.ts';

/** A key that no tab has taken by then is for a call that is over. */
const KEPT_MS = 10 * 60_000;
/** As for messages: another tab may take the session away in between. */
const TRIES = 5;
/** A sender key signs messages; media has no signatures. */
const NO_SIGNATURES = new Uint8Array(32);

interface Sent {
  readonly about: string;
  readonly key: CallKey;
}

/** Keys for the media of calls: pairwise over the sessions, as a `sender-key` of something that isn't a group. */
export class CallKeys implements Port {
  readonly #context: ClientContext;
  readonly #accounts: Accounts;
  readonly #sessions: Sessions;
  readonly #publisher: Publisher;
  readonly #post: Post;
  readonly #takers = new Set<TakeCallKey>();
  /** The last one that each was sent, while there is a call: a peer may have lost the session it came on. */
  readonly #sent = new Map<string, Sent>();

  constructor(context: ClientContext, accounts: Accounts, sessions: Sessions, publisher: Publisher, post: Post) {
    this.#context = context;
    this.#accounts = accounts;
    this.#sessions = sessions;
    this.#publisher = publisher;
    this.#post = post;
  }

  ready(): Promise<void> {
    return this.#publisher.ready;
  }

  async send(userId: string, about: string, key: CallKey): Promise<void> {
    this.#sent.set(userId, { about, key });
    await this.#publisher.ready;
    const account = await this.#accounts.get();
    for (let left = TRIES; left > 0; left -= 1) {
      await this.#sessions.ensure(account, userId);
      if (await this.#seal(account, userId, { about, key })) {
        // It is stored: without a line it leaves with the next one.
        return this.#post.flush(account).catch((error: unknown) => {
          if (!isCommError(error) || !error.retryable) throw error;
        });
      }
    }
    throw new CommError('UNAVAILABLE', 'The session kept changing while a key was encrypted');
  }

  /** The peer has lost its sessions, and with them what came on them. */
  sendAgain(userId: string): void {
    const sent = this.#sent.get(userId);
    if (sent !== undefined) this.send(userId, sent.about, sent.key).catch(this.#context.report);
  }

  listen(take: TakeCallKey): () => void {
    this.#takers.add(take);
    this.#run(async (account) => {
      const names = await account.records.names(NAMES.media(''));
      await Promise.all(names.map((name) => this.#offer(account, name)));
    });
    return () => {
      this.#takers.delete(take);
      if (this.#takers.size === 0) this.#sent.clear();
    };
  }

  look(senderId: string): void {
    if (this.#takers.size > 0) this.#run((account) => this.#offer(account, NAMES.media(senderId)));
  }

  #run(task: (account: Account) => Promise<void>): void {
    this.#accounts.get().then(task).catch(this.#context.report);
  }

  #seal(account: Account, userId: string, { about, key: { keyId, secret } }: Sent): Promise<boolean> {
    const names = [NAMES.identity, NAMES.peer(userId), NAMES.pin(userId)];
    const now = this.#context.clock.now();
    const cid = `${CALL}${about}`;
    const senderKey = { cid, chainId: keyId, iteration: 0, chainKey: secret, sigKey: NO_SIGNATURES };
    const payload = { kind: 'sender-key', id: uuidv7(), ts: now, cid, senderKey } as const;
    return account.records.transact(names, (view) => {
      if (!isUsable(view, userId, now)) return false;
      const step = encryptIn(view, account, userId, payload);
      if (step.ok) postIn(view, step.envelope);
      return step.ok;
    });
  }

  /** What a tab without the call leaves is there for the one that has it. */
  async #offer({ records }: Account, name: string): Promise<void> {
    const senderId = decodeURIComponent(name.slice(NAMES.media('').length));
    const found = await records.transact([name], (view) => readCallKey(view.read(name)));
    if (found === undefined) return;
    const isTaken = [...this.#takers].some((take) => take(senderId, found.about, found));
    if (!isTaken && this.#context.clock.now() - found.at < KEPT_MS) return;
    await records.transact([name], (view) => {
      const now = readCallKey(view.read(name));
      // A newer one has come meanwhile: it is offered by itself.
      if (now?.about === found.about && now.keyId === found.keyId && now.at === found.at) view.delete(name);
    });
  }
}
