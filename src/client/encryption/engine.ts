import { lazily, lazy, type Lazy } from '../../lib/lazy.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import type { EditMessage, Message, SendMessage } from '../../protocol/messages.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import { isVolatile } from '../../storage/memory.ts';
import type { Cipher, Outgoing as Item, Secret } from '../cipher.ts';
import type { ClientContext } from '../context.ts';
import type { EncryptionOptions } from '../options.ts';
import type { Account } from './account.ts';
import { Accounts } from './accounts.ts';
import type { CallKeys } from './call-keys.ts';
import { Drafts } from './drafts.ts';
import type { Encryption } from './encryption.ts';
import type { GroupRequests } from './group-requests.ts';
import { forgetLate } from './late.ts';
import { Incoming } from './incoming.ts';
import { Intake } from './intake.ts';
import { Mailbox } from './mailbox.ts';
import { Members } from './members.ts';
import { Outgoing } from './outgoing.ts';
import { Post } from './post.ts';
import { Publisher } from './publisher.ts';
import type { News } from './receiving.ts';
import { Requirements } from './requirements.ts';
import { encryptedIn, replacedIn } from './rows.ts';
import { Sessions } from './sessions.ts';
import { secretOf } from './texts.ts';
import type { Search } from './search.ts';

/** What encryption needs of the rest of the client. */
export interface EnginePorts {
  /** Who this is, as far as anybody has said. */
  userId(): string | undefined;
  conversation(conversationId: string): Promise<Conversation>;
  find(messageId: string): Promise<Message>;
  /** Shows a message that can be read now. */
  amend(message: Message): void;
}

/** Puts the parts of encryption together, and stands in the way of every message that comes or goes. */
export class Engine implements Cipher {
  readonly api: Encryption;
  readonly callKeys: Lazy<CallKeys>;
  readonly #context: ClientContext;
  readonly #accounts: Accounts;
  readonly #drafts = new Drafts();
  readonly #requirements: Requirements;
  readonly #publisher: Publisher;
  readonly #post: Post;
  readonly #sessions: Sessions;
  readonly #members: Members;
  readonly #outgoing: Outgoing;
  readonly #incoming: Incoming;
  readonly #groupRequests: Lazy<GroupRequests>;
  readonly #intake: Intake;
  readonly #compared = new Map<string, string>();
  #userId: string | undefined;

  constructor(
    context: ClientContext,
    storage: CommStorage,
    options: { encryption: EncryptionOptions | undefined; storage: CommStorage | undefined },
    ports: EnginePorts,
  ) {
    this.#context = context;
    const { atRest, identityChanges: policy = 'warn' } = options.encryption ?? {};
    const isGone = options.storage === undefined ? !('indexedDB' in globalThis) : isVolatile(options.storage);
    const deps = { storage, atRest, isVolatile: isGone, logger: context.logger };
    this.#accounts = new Accounts(deps, () => this.#userId ?? ports.userId());
    const account = (): Promise<Account> => this.#accounts.get();
    this.#requirements = new Requirements(storage, () => this.#userId ?? ports.userId());
    this.#publisher = new Publisher(context);
    this.#post = new Post(context);
    this.#sessions = new Sessions(context, policy, {
      changed: (change) => context.emitter.emit('encryption:identity-changed', change),
    });
    this.#members = new Members(context, async (id) => {
      const { type, participants } = await ports.conversation(id);
      return { type, userIds: participants.map(({ userId }) => userId) };
    });
    const sending = {
      account,
      ready: () => this.#publisher.ready,
      find: (id: string) => ports.find(id),
      required: (id: string) => this.#requirements.holds(id),
      othersIn: (of: Account, id: string) => this.#members.othersIn(of, id),
    };
    this.#outgoing = new Outgoing(context, sending, this.#drafts, this.#sessions, this.#post);
    this.#groupRequests = lazy(async () => {
      const { GroupRequests } = await import('./group-requests.ts');
      return new GroupRequests(context, this.#sessions, (of) => this.#hurry(of));
    });
    this.callKeys = lazy(async () => {
      const { CallKeys: Keys } = await import('./call-keys.ts');
      return new Keys(context, this.#accounts, this.#sessions, this.#publisher, this.#post);
    });
    const lost = (of: Account, senderId: string): void => this.#lost(of, senderId);
    this.#incoming = new Incoming(context, policy, {
      account,
      news: (of, senderId, news) => this.#news(of, senderId, news, news.started === true),
      lost,
      seen: (of, messages) => this.#members.learnSenders(of, messages),
      missing: (of, senderId, cid, chainId) => {
        this.#groupRequests()
          .then((requests) => requests.ask(of, senderId, cid, chainId))
          .catch(context.report);
      },
    });
    const mailbox = new Mailbox(context, policy, {
      news: (of, senderId, news, unlocked) => this.#news(of, senderId, news, unlocked),
      lost,
      reset: (of, senderId) => void this.#sendAgain(of, senderId).catch(context.report),
    });
    this.#intake = new Intake(context, {
      accounts: this.#accounts,
      incoming: this.#incoming,
      mailbox,
      members: this.#members,
      publisher: this.#publisher,
      amend: (message) => ports.amend(message),
    });
    this.api = lazily(
      async () => {
        const { EncryptionClient } = await import('./encryption-client.ts');
        return new EncryptionClient({
          context,
          accounts: this.#accounts,
          sessions: this.#sessions,
          policy,
          publisher: this.#publisher,
          requirements: this.#requirements,
          compared: this.#compared,
          heal: (of, senderId) => this.#intake.heal(of, senderId),
          forget: () => this.#forgetTexts(),
          started: (of) => this.#started(of),
        });
      },
      () => this.#publisher.ready,
    );
  }

  async connected(userId: string): Promise<void> {
    if (this.#userId !== undefined && this.#userId !== userId) this.#forget();
    this.#userId = userId;
    try {
      // Also where the keys can't be opened.
      await this.#requirements.load();
      const account = await this.#accounts.identified(userId);
      await this.#started(account);
      this.#publisher.check(account);
    } catch (error) {
      this.#publisher.failed(error);
      this.#context.report(error);
    }
  }

  lineLost(): void {
    this.#publisher.stop();
    this.#post.stop();
    this.#groupRequests.current?.stop();
    // With our server all of it comes again.
    if (this.#context.has('rev')) this.#intake.clear();
  }

  pushed(event: string, data: unknown, deliver: (event: string, data: unknown) => void): void {
    this.#intake.pushed(event, data, deliver);
  }

  open(answer: unknown, isLive: boolean): unknown {
    const rows = encryptedIn(answer);
    if (rows.length === 0) return answer;
    return this.#incoming.read(rows, isLive).then((messages) => replacedIn(answer, messages));
  }

  async draft(payload: SendMessage & { clientId: string }, wanted: boolean | undefined): Promise<SendMessage> {
    const { conversationId, clientId } = payload;
    // Asked in any case, so that messages of one conversation stay in their order.
    const required = await this.#requirements.has(conversationId);
    if (wanted !== true && !required) return payload;
    this.#drafts.add(clientId, { secret: secretOf(payload), ts: this.#context.clock.now() });
    return { conversationId, content: '', type: 'text', clientId, encrypted: true };
  }

  draftEdit(payload: EditMessage, clientId: string): EditMessage {
    const secret: Secret = { content: payload.content, type: 'text' };
    this.#drafts.add(clientId, { secret, ts: this.#context.clock.now() });
    return { ...payload, content: '' };
  }

  secretOf(clientId: string): Secret | undefined {
    return this.#drafts.secretOf(clientId);
  }

  async reveal(clientId: string): Promise<Secret | undefined> {
    return (await this.#drafts.load(await this.#accounts.get(), clientId))?.secret;
  }

  keep({ clientId, lane }: Item): Promise<void> {
    return this.#drafts.inLane(lane, async () => {
      // Before it is known who this is there is no place for it; the message waits in memory as well.
      if (this.#drafts.secretOf(clientId) === undefined || !this.#accounts.isKnown) return;
      await this.#drafts.keep(await this.#accounts.get(), clientId);
    });
  }

  seal(item: Item): Promise<Item['operation']['payload']> {
    return this.#outgoing.seal(item);
  }

  settled({ clientId, operation }: Item, isStored: boolean): void {
    const isDraft =
      operation.name === 'message:edit' || (operation.name === 'message:send' && operation.payload.encrypted);
    // Also what became one on its way out.
    if (isDraft !== true && this.#drafts.secretOf(clientId) === undefined) return;
    const drop = async (): Promise<void> => this.#drafts.remove(await this.#accounts.get(), clientId, isStored);
    if (this.#accounts.isKnown) drop().catch(this.#context.report);
  }

  async search(search: Search, found: Message[]): Promise<Message[]> {
    const { searchTexts } = await import('./search.ts');
    return searchTexts((await this.#accounts.get()).records, search, found);
  }

  /** What is due whenever the keys are there. */
  async #started(account: Account): Promise<void> {
    await this.#drafts.keepAll(account);
    await forgetLate(account, this.#context.clock.now());
    this.#hurry(account);
    for (const senderId of this.#incoming.unreadSenders()) this.#intake.heal(account, senderId);
  }

  #news(account: Account, senderId: string, { change, established, posted }: News, unlocked: boolean): void {
    const { emitter } = this.#context;
    if (change !== undefined) emitter.emit('encryption:identity-changed', change);
    if (established !== undefined) emitter.emit('encryption:session-established', established);
    if (posted === true) this.#hurry(account);
    if (unlocked) this.#intake.heal(account, senderId);
    this.callKeys.current?.look(senderId);
  }

  /** A peer has lost what it had: what waits for it is encrypted anew, what it has got is sent once more. */
  async #sendAgain(account: Account, senderId: string): Promise<void> {
    this.callKeys.current?.sendAgain(senderId);
    const { sealAnew, sendAgain } = await import('./resending.ts');
    await sealAnew(account, this.#drafts, senderId);
    if (await sendAgain(account, senderId, this.#context.clock.now())) this.#hurry(account);
  }

  #lost(account: Account, senderId: string): void {
    this.#whenActive(async () => {
      const { resetSession } = await import('./resetting.ts');
      if (await resetSession(this.#sessions, account, senderId, this.#context.clock.now())) this.#hurry(account);
    });
  }

  #hurry(account: Account): void {
    this.#whenActive(() => this.#post.flush(account));
  }

  /** A device that isn't the active one says nothing: others would take its key for the user's. */
  #whenActive(task: () => Promise<void>): void {
    this.#publisher.ready.then(task).catch((error: unknown) => {
      // What fails with the line is done with the next one.
      if (!isCommError(error)) this.#context.report(error);
    });
  }

  #forgetTexts(): void {
    this.#incoming.clear();
    this.#members.clear();
    this.#requirements.clear();
    this.#drafts.unstore();
  }

  /** Somebody else is signed in now. */
  #forget(): void {
    this.#intake.clear();
    this.#forgetTexts();
    this.#compared.clear();
    this.#drafts.clear();
    this.#accounts.forget();
    this.#publisher.forget();
  }
}
