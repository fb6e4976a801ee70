import { CommError, isCommError } from '../../../protocol/errors.ts';
import type { CallKey, CallKeys, TakeCallKey } from '../../cipher.ts';
import type { ClientContext } from '../../context.ts';
import { CALL_CID_PREFIX, parseCallKey } from '../keystore/call-key-record.ts';
import type { KeystoreProvider } from '../keystore/keystore-provider.ts';
import { encryptForPeer, enqueueEnvelope, type Keystore, RECORDS } from '../keystore/keystore.ts';
import type { MailboxSender } from '../sessions/mailbox-sender.ts';
import { isSessionUsable, type SessionManager } from '../sessions/session-manager.ts';
import type { PreKeyPublisher } from './prekey-publisher.ts';

/** A key that no tab has taken by then belongs to a call that is over. */
const EXPIRY_MS = 10 * 60_000;
/** Another tab may replace the session between the check and the encryption. */
const MAX_ATTEMPTS = 5;
/** The media of calls is not signed, so the sender key has no signature key. */
const NO_SIGNATURE_KEY = new Uint8Array(32);

interface SentCallKey {
  readonly about: string;
  readonly key: CallKey;
}

/** Exchanges media keys of calls over the pairwise sessions, as `sender-key` payloads. */
export class CallKeyExchange implements CallKeys {
  readonly #context: ClientContext;
  readonly #keystores: KeystoreProvider;
  readonly #sessions: SessionManager;
  readonly #publisher: PreKeyPublisher;
  readonly #mailbox: MailboxSender;
  readonly #listeners = new Set<TakeCallKey>();
  /** The last key sent to each user during a call, to be sent again if they have lost the session it was sent on. */
  readonly #sent = new Map<string, SentCallKey>();

  constructor(
    context: ClientContext,
    keystores: KeystoreProvider,
    sessions: SessionManager,
    publisher: PreKeyPublisher,
    mailbox: MailboxSender,
  ) {
    this.#context = context;
    this.#keystores = keystores;
    this.#sessions = sessions;
    this.#publisher = publisher;
    this.#mailbox = mailbox;
  }

  ready(): Promise<void> {
    return this.#publisher.ready;
  }

  async send(userId: string, about: string, key: CallKey): Promise<void> {
    this.#sent.set(userId, { about, key });
    await this.#publisher.ready;
    const keystore = await this.#keystores.get();
    for (let left = MAX_ATTEMPTS; left > 0; left -= 1) {
      await this.#sessions.ensure(keystore, userId);
      if (await this.#enqueue(keystore, userId, { about, key })) {
        // The envelope is stored: if the connection is lost, the next one sends it.
        return this.#mailbox.flush(keystore).catch((error: unknown) => {
          if (!isCommError(error) || !error.retryable) throw error;
        });
      }
    }
    throw new CommError('UNAVAILABLE', 'The session was replaced repeatedly while a call key was encrypted');
  }

  /** Sends the last key again to a peer who has lost their sessions. */
  resend(userId: string): void {
    const sent = this.#sent.get(userId);
    if (sent !== undefined) this.send(userId, sent.about, sent.key).catch(this.#context.report);
  }

  listen(take: TakeCallKey): () => void {
    this.#listeners.add(take);
    this.#run(async (keystore) => {
      const names = await keystore.records.listNames(RECORDS.callKey(''));
      await Promise.all(names.map((name) => this.#offer(keystore, name)));
    });
    return () => {
      this.#listeners.delete(take);
      if (this.#listeners.size === 0) this.#sent.clear();
    };
  }

  look(senderId: string): void {
    if (this.#listeners.size > 0) this.#run((keystore) => this.#offer(keystore, RECORDS.callKey(senderId)));
  }

  #run(task: (keystore: Keystore) => Promise<void>): void {
    this.#keystores.get().then(task).catch(this.#context.report);
  }

  #enqueue(keystore: Keystore, userId: string, { about, key: { keyId, secret } }: SentCallKey): Promise<boolean> {
    const names = [RECORDS.identity, RECORDS.session(userId), RECORDS.trust(userId)];
    const now = this.#context.clock.now();
    const cid = `${CALL_CID_PREFIX}${about}`;
    const senderKey = { cid, chainId: keyId, iteration: 0, chainKey: secret, sigKey: NO_SIGNATURE_KEY };
    const payload = { kind: 'sender-key', id: keystore.newId(), ts: now, cid, senderKey } as const;
    return keystore.records.transact(names, (tx) => {
      if (!isSessionUsable(tx, userId, now)) return false;
      const step = encryptForPeer(tx, keystore, userId, payload);
      if (step.ok) enqueueEnvelope(tx, keystore, step.envelope);
      return step.ok;
    });
  }

  /** Offers a stored key to the listeners. A key that none takes stays stored for the tab that has the call. */
  async #offer({ records }: Keystore, name: string): Promise<void> {
    const senderId = decodeURIComponent(name.slice(RECORDS.callKey('').length));
    const offered = await records.transact([name], (tx) => parseCallKey(tx.getJson(name)));
    if (offered === undefined) return;
    const isTaken = [...this.#listeners].some((take) => take(senderId, offered.about, offered));
    if (!isTaken && this.#context.clock.now() - offered.receivedAt < EXPIRY_MS) return;
    await records.transact([name], (tx) => {
      const current = parseCallKey(tx.getJson(name));
      const isSame =
        current?.about === offered.about &&
        current.keyId === offered.keyId &&
        current.receivedAt === offered.receivedAt;
      // A newer key that has arrived meanwhile is offered separately.
      if (isSame) tx.delete(name);
    });
  }
}
