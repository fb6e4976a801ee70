import type { EditMessage, Message, SendMessage } from '../protocol/messages.ts';
import type { Lazy } from '../lib/lazy.ts';
import type { Encryption } from './encryption/encryption.ts';
import type { Operation } from './messages/outbox.ts';

/** What a message says that only its readers see. */
export type Secret = Pick<Message, 'content' | 'type' | 'replyTo' | 'attachment'>;

/** A request of the outbox, as far as encryption is about it. */
export interface Outgoing {
  readonly clientId: string;
  readonly lane: string;
  readonly operation: Operation;
}

/** A key for the media of a call. */
export interface CallKey {
  readonly keyId: number;
  /** 32 bytes. */
  readonly secret: Uint8Array<ArrayBuffer>;
}

/** Takes a key that came. @returns whether it is for a call here: it is kept for nobody else then */
export type TakeCallKey = (senderId: string, about: string, key: CallKey) => boolean;

/** The way of keys for the media of calls, over the encrypted sessions. */
export interface CallKeys {
  /** Resolves when keys can be sent and read here; rejects as `encryption.ready` does. */
  ready(): Promise<void>;
  /**
   * Resolves when it is on its way, or waits for the line.
   * @param about - which call, and from which device: what `take` is told on the other side, by nobody but the sender
   * @throws CommError `E2EE_IDENTITY_CHANGED`, `E2EE_NO_KEYS`
   */
  send(userId: string, about: string, key: CallKey): Promise<void>;
  /** Offers what has come and what comes. @returns how to stop */
  listen(take: TakeCallKey): () => void;
  /** Offers once more what waits from somebody. */
  look(senderId: string): void;
}

/**
 * What encryption does for the rest of the client; the composition root hands it over. Messages are decrypted where rows
 * come in, before anything is made of them, and encrypted when they are about to leave for the first time.
 */
export interface Cipher {
  /** What the app is given. */
  readonly api: Encryption;
  readonly callKeys: Lazy<CallKeys>;
  /** Whose keys are needed now: opens them before anything of this user's is read or sent. */
  connected(userId: string): Promise<void>;
  lineLost(): void;
  /** Calls `deliver` for a push: at once, or once it is decrypted; pushes stay in the order in which they came. */
  pushed(event: string, data: unknown, deliver: (event: string, data: unknown) => void): void;
  /**
   * An answer of the server with its messages decrypted; itself where nothing in it is encrypted.
   * @param isLive - it brings what is new, not what was there before
   */
  open(answer: unknown, isLive: boolean): unknown;
  /** What stands in the outbox for a message: the message itself, or a draft that keeps its secret apart. */
  draft(payload: SendMessage & { clientId: string }, wanted: boolean | undefined): Promise<SendMessage>;
  /** The same for an edit, whose secret is kept apart until it is known whether its message is encrypted. */
  draftEdit(payload: EditMessage, clientId: string): EditMessage;
  /** The secret of a draft, as far as it is at hand. */
  secretOf(clientId: string): Secret | undefined;
  /** Gets the secret of a draft that an earlier session or another tab has stored. */
  reveal(clientId: string): Promise<Secret | undefined>;
  /** Stores the secret of a draft: in their order, for those of one lane. */
  keep(item: Outgoing): Promise<void>;
  /** What goes out for an item: the same bytes however often it is asked. Those of one lane are answered in order. */
  seal(item: Outgoing): Promise<Operation['payload']>;
  /** The item is over: stored by the server, or never to be. */
  settled(item: Outgoing, isStored: boolean): void;
  /** What is kept here and fits a search, besides what the server found. */
  search(
    query: { query: string; conversationId?: string | undefined; limit?: number | undefined },
    found: Message[],
  ): Promise<Message[]>;
}
