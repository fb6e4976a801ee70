import { getContext, setContext } from 'svelte';
import type { Readable } from 'svelte/store';
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

const COMM_CLIENT = Symbol('lumen-comm');

/** Provides a client to this component and those below it. Call it in the script of a component. It is not connected by it. */
export function setCommClient(client: CommClient): CommClient {
  return setContext(COMM_CLIENT, client);
}

/** Returns the provided client. @throws Error without one */
export function useComm(): CommClient {
  const client = getContext<CommClient | undefined>(COMM_CLIENT);
  if (client === undefined) throw new Error('useComm() needs setCommClient(client) in a component above');
  return client;
}

/**
 * The state of the connection: whether the client is connected, otherwise why not and when it tries again.
 *
 * @param selector - selects a part. Subscribers are called only if it changes.
 */
export function useConnection<S = ConnectionSnapshot>(selector?: Selector<ConnectionSnapshot, S>): Readable<S> {
  return toStore(useComm().connection, selector);
}

/**
 * The list of conversations. Loads its first page with the first subscription.
 *
 * @param selector - selects a part. Subscribers are called only if it changes.
 */
export function useInbox<S = InboxState>(selector?: Selector<InboxState, S>): Readable<S> {
  return toStore(inboxSource(useComm()), selector);
}

/**
 * An open conversation and what can be done with it. It is open while the store has subscribers.
 *
 * @param id - `undefined` while no conversation is selected
 * @param selector - selects a part. Subscribers are called only if it changes.
 */
export function useConversation<S = ConversationState>(
  id: string | undefined,
  selector?: Selector<ConversationState, S>,
): Readable<S> {
  return toStore(conversationSource(useComm(), id), selector);
}

/**
 * The thread of a message and what can be done with it: `messages` are the replies, `root` is the message. It is open while the
 * store has subscribers.
 *
 * @param id - id of the conversation; `undefined` while no thread is selected
 * @param messageId - id of the root; `undefined` while no thread is selected
 * @param selector - selects a part. Subscribers are called only if it changes.
 */
export function useThread<S = ConversationState>(
  id: string | undefined,
  messageId: string | undefined,
  selector?: Selector<ConversationState, S>,
): Readable<S> {
  return toStore(threadSource(useComm(), id, messageId), selector);
}

/**
 * The messages of this user that the server has not stored yet, oldest first: waiting, being sent, or rejected (`failed`).
 *
 * @param selector - selects a part. Subscribers are called only if it changes.
 */
export function useOutbox<S = readonly PendingMessage[]>(
  selector?: Selector<readonly PendingMessage[], S>,
): Readable<S> {
  return toStore(useComm().messages.outbox, selector);
}

/** Ids of the other users who are typing in a conversation, which is open while the store has subscribers. */
export function useTyping(id: string | undefined): Readable<readonly string[]> {
  return toStore(typingSource(useComm(), id));
}

/** The presence of users by user id, kept up to date. Users whose presence is unknown are missing. */
export function usePresence(userIds: readonly string[]): Readable<Presences> {
  return toStore(presenceSource(useComm(), userIds));
}

/**
 * The profile of a user, kept up to date. `undefined` until it is known.
 *
 * @param userId - `undefined` while no user is selected
 */
export function useUser(userId: string | undefined): Readable<User | undefined> {
  return toStore(userSource(useComm(), userId));
}

/** The profiles of users by user id, kept up to date. Users who are unknown are missing. */
export function useUsers(userIds: readonly string[]): Readable<Users> {
  return toStore(usersSource(useComm(), userIds));
}

/**
 * The call that this device takes part in, wherever in the app it was started or accepted: its state, and `session` with what
 * can be done with it. `undefined` without a call; a ringing call is one once it is accepted. Of several calls it is the one
 * that is not on hold.
 *
 * @param selector - selects a part. Subscribers are called only if it changes.
 */
export function useCall<S = CurrentCall | undefined>(selector?: Selector<CurrentCall | undefined, S>): Readable<S> {
  return toStore(callSource(useComm()), selector);
}

/** The call that rings on this device, until it is accepted, rejected, cancelled or answered on another device. */
export function useIncomingCall(): Readable<CurrentCall | undefined> {
  return toStore(incomingCallSource(useComm()));
}

/** A store of the selected part of an observable. On a server it has the initial value and opens nothing. */
function toStore<T, S = T>(source: Observable<T>, selector?: Selector<T, S>): Readable<S> {
  return {
    subscribe(run) {
      const select = createSelection(selector);
      if (typeof window === 'undefined') {
        run(select(source.getServerSnapshot()));
        return () => undefined;
      }
      let shown: { readonly value: S } | undefined;
      const show = (): void => {
        const value = select(source.getSnapshot());
        if (shown !== undefined && Object.is(value, shown.value)) return;
        shown = { value };
        run(value);
      };
      const stop = source.subscribe(show);
      show();
      return stop;
    },
  };
}
