import { KeyedQueue } from '../../lib/keyed-queue.ts';
import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import { CommError } from '../../protocol/errors.ts';
import type { EditMessage, Message, SendMessage } from '../../protocol/messages.ts';
import type { Outgoing as Item, Secret } from '../cipher.ts';
import type { ClientContext } from '../context.ts';
import { encryptIn, NAMES, pinIn, type Account } from './account.ts';
import { draftIn, keepDraft, type Drafts } from './drafts.ts';
import { MAX_PAYLOAD_BYTES } from './envelope.ts';
import { encodePayload, type MessagePayload } from './payload.ts';
import type { Post } from './post.ts';
import type { View } from './records.ts';
import { isUsable, type Sessions } from './sessions.ts';
import { hashOf, secretOf, storable, type Text } from './texts.ts';

export interface OutgoingPorts {
  account(): Promise<Account>;
  /** Rejects where another device is the active one. */
  ready(): Promise<void>;
  /** Ids of all others who are in a conversation now. */
  othersIn(account: Account, conversationId: string): Promise<readonly string[]>;
  /** Whether messages of a conversation are encrypted or not sent. */
  required(conversationId: string): Promise<boolean>;
  /** A message as it is held or read. */
  find(messageId: string): Promise<Message>;
}

/** What a server shows those who can't read it; some drop a message without a text. */
const PLACEHOLDER = 'Encrypted message';
/** Another tab, or an envelope that came in, may have taken the session away in between. */
const TRIES = 5;

/** Encrypts what is about to leave for the first time; the bytes are stored before they do, and stay the same. */
export class Outgoing {
  readonly #context: ClientContext;
  readonly #ports: OutgoingPorts;
  readonly #drafts: Drafts;
  readonly #sessions: Sessions;
  readonly #post: Post;
  readonly #lanes = new KeyedQueue<string>();

  constructor(context: ClientContext, ports: OutgoingPorts, drafts: Drafts, sessions: Sessions, post: Post) {
    this.#context = context;
    this.#ports = ports;
    this.#drafts = drafts;
    this.#sessions = sessions;
    this.#post = post;
  }

  /** Those of one lane one after another, so that they leave in their order. */
  seal(item: Item): Promise<Item['operation']['payload']> {
    return this.#lanes.run(item.lane, () => this.#seal(item));
  }

  async #seal({ clientId, operation: { name, payload } }: Item): Promise<Item['operation']['payload']> {
    switch (name) {
      case 'message:send':
        return this.#sealMessage(clientId, payload);
      case 'message:edit':
        return this.#sealEdit(clientId, payload);
      case 'message:forward': {
        const { encrypted } = await this.#ports.find(payload.messageId);
        if (encrypted === true)
          throw new CommError('INVALID', 'An encrypted message can not be forwarded: send it anew');
        return payload;
      }
      default:
        return payload;
    }
  }

  async #sealMessage(clientId: string, payload: SendMessage): Promise<SendMessage> {
    const { conversationId, content, type, replyTo, attachment, encrypted } = payload;
    if (encrypted !== true) {
      if (!(await this.#ports.required(conversationId))) return payload;
      // Since it was written somebody has said that nothing may leave as it is.
      this.#drafts.add(clientId, {
        secret: secretOf({ content, type, replyTo, attachment }),
        ts: this.#context.clock.now(),
      });
    }
    const envelope = await this.#encrypt(clientId, conversationId, clientId);
    return { conversationId, content: PLACEHOLDER, type: 'text', clientId, encrypted: true, envelope };
  }

  async #sealEdit(clientId: string, payload: EditMessage): Promise<EditMessage> {
    const account = await this.#ports.account();
    const draft = await this.#drafts.load(account, clientId);
    if (draft?.envelope !== undefined) return { ...payload, content: PLACEHOLDER, envelope: draft.envelope };
    const content = draft?.secret.content ?? payload.content;
    const { editedIn } = await import('./edits.ts');
    const edited = await editedIn(account, payload.messageId, content, (id) => this.#ports.find(id));
    if (edited === undefined) return { ...payload, content };
    if (!this.#context.has('mailbox'))
      throw new CommError('UNSUPPORTED', 'This server can not edit encrypted messages');
    const envelope = await this.#encrypt(clientId, payload.conversationId, edited.clientId, edited.secret);
    return { ...payload, content: PLACEHOLDER, envelope };
  }

  /**
   * @param messageClientId - what the message is called, which for an edit isn't what the request is called
   * @param secret - in place of the draft's own
   */
  async #encrypt(clientId: string, cid: string, messageClientId: string, secret?: Secret): Promise<EncryptedEnvelope> {
    const account = await this.#ports.account();
    await this.#ports.ready();
    const draft = await this.#drafts.load(account, clientId);
    if (draft === undefined) throw new CommError('STORAGE', 'The text of this message is not kept here any more');
    if (draft.envelope !== undefined) return this.#released(account, draft.envelope);
    const payload: MessagePayload = {
      ...(secret ?? draft.secret),
      attachment: attachmentOf(secret ?? draft.secret),
      kind: 'message',
      id: messageClientId,
      cid,
      ts: draft.ts,
    };
    if (encodePayload(payload).length > MAX_PAYLOAD_BYTES) {
      throw new CommError('MESSAGE_TOO_LONG', 'The message is too long to be encrypted');
    }
    const members = await this.#ports.othersIn(account, cid);
    const [peerId] = members;
    for (let left = TRIES; left > 0; left -= 1) {
      const envelope =
        members.length === 1 && peerId !== undefined
          ? await this.#toOne(account, clientId, peerId, payload)
          : await this.#toGroup(account, clientId, members, payload);
      if (envelope !== undefined) return this.#released(account, envelope);
    }
    throw new CommError('UNAVAILABLE', 'The session kept changing');
  }

  /** A group's message leaves after the keys to it. */
  async #released(account: Account, envelope: EncryptedEnvelope): Promise<EncryptedEnvelope> {
    await this.#post.flush(account);
    return envelope;
  }

  async #toOne(
    account: Account,
    clientId: string,
    peerId: string,
    payload: MessagePayload,
  ): Promise<EncryptedEnvelope | undefined> {
    await this.#sessions.ensure(account, peerId);
    const names = [NAMES.identity, NAMES.draft(clientId), NAMES.peer(peerId), NAMES.pin(peerId)];
    return account.records.transact(names, (view) => {
      const draft = draftIn(view, clientId);
      if (draft?.envelope !== undefined) return draft.envelope;
      if (!isUsable(view, peerId, this.#context.clock.now())) return undefined;
      const step = encryptIn(view, account, peerId, payload);
      const key = pinIn(view, peerId)?.key ?? '';
      const to = { userId: peerId, key };
      return step.ok ? this.#keepSealed(view, account, clientId, payload, step.envelope, to) : undefined;
    });
  }

  async #toGroup(
    account: Account,
    clientId: string,
    members: readonly string[],
    payload: MessagePayload,
  ): Promise<EncryptedEnvelope | undefined> {
    const { sealForGroup } = await import('./group-keys.ts');
    const readers = await this.#readers(account, members);
    const { cid } = payload;
    const names = [NAMES.identity, NAMES.draft(clientId), NAMES.group(cid), NAMES.given(cid)];
    for (const userId of readers) names.push(NAMES.peer(userId), NAMES.pin(userId));
    return account.records.transact(names, (view) => {
      const draft = draftIn(view, clientId);
      if (draft?.envelope !== undefined) return draft.envelope;
      const now = this.#context.clock.now();
      if (!readers.every((userId) => isUsable(view, userId, now))) return undefined;
      const envelope = sealForGroup(view, account, readers, payload, now);
      return envelope && this.#keepSealed(view, account, clientId, payload, envelope);
    });
  }

  /** Those who can be given keys; somebody without any reads from when they have some. */
  async #readers(account: Account, members: readonly string[]): Promise<string[]> {
    const readers: string[] = [];
    let without: CommError | undefined;
    for (const userId of members) {
      try {
        await this.#sessions.ensure(account, userId);
        readers.push(userId);
      } catch (error) {
        if (!(error instanceof CommError) || error.code !== 'E2EE_NO_KEYS') throw error;
        without = error;
      }
    }
    if (readers.length === 0 && without !== undefined) throw without;
    return readers;
  }

  #keepSealed(
    view: View,
    { userId }: Account,
    clientId: string,
    payload: MessagePayload,
    envelope: EncryptedEnvelope,
    to?: Text['to'],
  ): EncryptedEnvelope {
    const { content, type, replyTo, attachment, cid, id } = payload;
    const hash = hashOf(envelope.ciphertext);
    const secret = secretOf({ content, type, replyTo, attachment } as Secret);
    keepDraft(view, clientId, { secret, ts: payload.ts, envelope });
    view.write(NAMES.own(hash), storable({ ...secret, hash, cid, senderId: userId, clientId: id, to }));
    return envelope;
  }
}

function attachmentOf({ attachment }: Secret): MessagePayload['attachment'] {
  return attachment && { ...attachment };
}
