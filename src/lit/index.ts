import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { createSelection, type Selector } from '../bindings/source.ts';
import {
  callSource,
  conversationSource,
  inboxSource,
  incomingCallSource,
  presenceSource,
  threadSource,
  typingSource,
  userSource,
  usersSource,
  type ConversationState,
  type CurrentCall,
  type InboxState,
  type Presences,
  type User,
  type Users,
} from '../bindings/sources.ts';
import type { CommClient } from '../client/comm-client.ts';
import type { ConnectionSnapshot } from '../client/connection/connection-reporter.ts';
import type { PendingMessage } from '../client/messages/outgoing-messages.ts';
import type { Observable } from '../lib/observable.ts';

export type { Selector } from '../bindings/source.ts';
export type {
  ConversationActions,
  ConversationState,
  CurrentCall,
  InboxState,
  Presences,
  Users,
} from '../bindings/sources.ts';

/** Keeps `value` up to date while its element is connected, and updates the element when `value` changes. */
abstract class ObservableController<T, S> implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #select: (value: T) => S;
  #source: Observable<T>;
  #value: S;
  #stop: (() => void) | undefined;

  protected constructor(host: ReactiveControllerHost, source: Observable<T>, selector: Selector<T, S> | undefined) {
    this.#host = host;
    this.#source = source;
    this.#select = createSelection(selector);
    this.#value = this.#select(source.getSnapshot());
    host.addController(this);
  }

  /** The state, or the part of it that was selected. */
  get value(): S {
    return this.#value;
  }

  /** Called by the element. */
  hostConnected(): void {
    this.#stop ??= this.#source.subscribe(() => this.#show());
    this.#show();
  }

  /** Called by the element. */
  hostDisconnected(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Follows another observable. */
  protected follow(source: Observable<T>): void {
    const isConnected = this.#stop !== undefined;
    this.hostDisconnected();
    this.#source = source;
    if (isConnected) this.hostConnected();
    else this.#show();
  }

  #show(): void {
    const value = this.#select(this.#source.getSnapshot());
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    this.#host.requestUpdate();
  }
}

/** The state of the connection: whether the client is connected, otherwise why not and when it tries again. */
export class ConnectionController<S = ConnectionSnapshot> extends ObservableController<ConnectionSnapshot, S> {
  /** @param selector - selects a part; the element updates only if that part changes */
  constructor(host: ReactiveControllerHost, client: CommClient, selector?: (connection: ConnectionSnapshot) => S) {
    super(host, client.connection, selector);
  }
}

/** The list of conversations. Loads its first page when the element is connected. */
export class InboxController<S = InboxState> extends ObservableController<InboxState, S> {
  /** @param selector - selects a part; the element updates only if that part changes */
  constructor(host: ReactiveControllerHost, client: CommClient, selector?: (inbox: InboxState) => S) {
    super(host, inboxSource(client), selector);
  }
}

/** An open conversation and what can be done with it. It is open while the element is connected. */
export class ConversationController<S = ConversationState> extends ObservableController<ConversationState, S> {
  readonly #client: CommClient;
  #id: string | undefined;

  /**
   * @param id - `undefined` while no conversation is selected
   * @param selector - selects a part; the element updates only if that part changes
   */
  constructor(
    host: ReactiveControllerHost,
    client: CommClient,
    id: string | undefined,
    selector?: (conversation: ConversationState) => S,
  ) {
    super(host, conversationSource(client, id), selector);
    this.#client = client;
    this.#id = id;
  }

  /** The id of the conversation. Set it to show another one, for example in `willUpdate()`. */
  get id(): string | undefined {
    return this.#id;
  }

  /** Shows another conversation. */
  set id(id: string | undefined) {
    if (id === this.#id) return;
    this.#id = id;
    this.follow(conversationSource(this.#client, id));
  }
}

/**
 * The thread of a message and what can be done with it: `messages` are the replies, `root` is the message. It is open while the
 * element is connected.
 */
export class ThreadController<S = ConversationState> extends ObservableController<ConversationState, S> {
  readonly #client: CommClient;
  #id: string | undefined;
  #messageId: string | undefined;

  /**
   * @param id - id of the conversation; `undefined` while no thread is selected
   * @param messageId - id of the root; `undefined` while no thread is selected
   * @param selector - selects a part; the element updates only if that part changes
   */
  constructor(
    host: ReactiveControllerHost,
    client: CommClient,
    id: string | undefined,
    messageId: string | undefined,
    selector?: (thread: ConversationState) => S,
  ) {
    super(host, threadSource(client, id, messageId), selector);
    this.#client = client;
    this.#id = id;
    this.#messageId = messageId;
  }

  /** Shows another thread, for example in `willUpdate()`. */
  show(id: string | undefined, messageId: string | undefined): void {
    if (id === this.#id && messageId === this.#messageId) return;
    this.#id = id;
    this.#messageId = messageId;
    this.follow(threadSource(this.#client, id, messageId));
  }
}

/** The messages of this user that the server has not stored yet, oldest first: waiting, being sent, or rejected (`failed`). */
export class OutboxController<S = readonly PendingMessage[]> extends ObservableController<
  readonly PendingMessage[],
  S
> {
  /** @param selector - selects a part; the element updates only if that part changes */
  constructor(host: ReactiveControllerHost, client: CommClient, selector?: Selector<readonly PendingMessage[], S>) {
    super(host, client.messages.outbox, selector);
  }
}

/** Ids of the other users who are typing in a conversation, which is open while the element is connected. */
export class TypingController extends ObservableController<readonly string[], readonly string[]> {
  /** @param id - `undefined` while no conversation is selected */
  constructor(host: ReactiveControllerHost, client: CommClient, id: string | undefined) {
    super(host, typingSource(client, id), undefined);
  }
}

/** The presence of users by user id, kept up to date. Users whose presence is unknown are missing. */
export class PresenceController extends ObservableController<Presences, Presences> {
  constructor(host: ReactiveControllerHost, client: CommClient, userIds: readonly string[]) {
    super(host, presenceSource(client, userIds), undefined);
  }
}

/** The profile of a user, kept up to date. `undefined` until it is known. */
export class UserController extends ObservableController<User | undefined, User | undefined> {
  /** @param userId - `undefined` while no user is selected */
  constructor(host: ReactiveControllerHost, client: CommClient, userId: string | undefined) {
    super(host, userSource(client, userId), undefined);
  }
}

/** The profiles of users by user id, kept up to date. Users who are unknown are missing. */
export class UsersController extends ObservableController<Users, Users> {
  constructor(host: ReactiveControllerHost, client: CommClient, userIds: readonly string[]) {
    super(host, usersSource(client, userIds), undefined);
  }
}

/**
 * The call that this device takes part in, wherever in the app it was started or accepted: its state, and `session` with what
 * can be done with it. `undefined` without a call; a ringing call is one once it is accepted. Of several calls it is the one
 * that is not on hold.
 */
export class CallController<S = CurrentCall | undefined> extends ObservableController<CurrentCall | undefined, S> {
  /** @param selector - selects a part; the element updates only if that part changes */
  constructor(host: ReactiveControllerHost, client: CommClient, selector?: Selector<CurrentCall | undefined, S>) {
    super(host, callSource(client), selector);
  }
}

/** The call that rings on this device, until it is accepted, rejected, cancelled or answered on another device. */
export class IncomingCallController extends ObservableController<CurrentCall | undefined, CurrentCall | undefined> {
  constructor(host: ReactiveControllerHost, client: CommClient) {
    super(host, incomingCallSource(client), undefined);
  }
}
