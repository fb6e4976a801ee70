'use client';

import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react';
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

const CommContext = createContext<CommClient | undefined>(undefined);

/** The properties of `CommProvider`. */
export interface CommProviderProps {
  /** Created outside of components. The provider neither connects nor disconnects it. */
  readonly client: CommClient;
  readonly children?: ReactNode;
}

/** Provides a client to the hooks of all components below it. */
export function CommProvider({ client, children }: CommProviderProps): ReactElement {
  return createElement(CommContext.Provider, { value: client }, children);
}

/** Returns the client of the closest `CommProvider`. @throws Error without one */
export function useComm(): CommClient {
  const client = useContext(CommContext);
  if (client === undefined) throw new Error('useComm() needs a <CommProvider client={…}> above the component');
  return client;
}

/**
 * The state of the connection: whether the client is connected, otherwise why not and when it tries again.
 *
 * @param selector - selects a part. The component renders again only if it changes.
 */
export function useConnection<S = ConnectionSnapshot>(selector?: Selector<ConnectionSnapshot, S>): S {
  return useObservable(useComm().connection, selector);
}

/**
 * The list of conversations. Loads its first page when the component is mounted.
 *
 * @param selector - selects a part. The component renders again only if it changes.
 */
export function useInbox<S = InboxState>(selector?: Selector<InboxState, S>): S {
  const client = useComm();
  const source = useMemo(() => inboxSource(client), [client]);
  return useObservable(source, selector);
}

/**
 * An open conversation and what can be done with it. It is opened when the component is mounted, and closed when the last
 * component that shows it is unmounted.
 *
 * @param id - `undefined` while no conversation is selected
 * @param selector - selects a part. The component renders again only if it changes.
 */
export function useConversation<S = ConversationState>(
  id: string | undefined,
  selector?: Selector<ConversationState, S>,
): S {
  const client = useComm();
  const source = useMemo(() => conversationSource(client, id), [client, id]);
  return useObservable(source, selector);
}

/**
 * The thread of a message and what can be done with it: `messages` are the replies, `root` is the message. It is open while a
 * component shows it.
 *
 * @param id - id of the conversation; `undefined` while no thread is selected
 * @param messageId - id of the root; `undefined` while no thread is selected
 * @param selector - selects a part. The component renders again only if it changes.
 */
export function useThread<S = ConversationState>(
  id: string | undefined,
  messageId: string | undefined,
  selector?: Selector<ConversationState, S>,
): S {
  const client = useComm();
  const source = useMemo(() => threadSource(client, id, messageId), [client, id, messageId]);
  return useObservable(source, selector);
}

/**
 * The messages of this user that the server has not stored yet, oldest first: waiting, being sent, or rejected (`failed`).
 *
 * @param selector - selects a part. The component renders again only if it changes.
 */
export function useOutbox<S = readonly PendingMessage[]>(selector?: Selector<readonly PendingMessage[], S>): S {
  return useObservable(useComm().messages.outbox, selector);
}

/** Ids of the other users who are typing in a conversation, which is open while the component is mounted. */
export function useTyping(id: string | undefined): readonly string[] {
  const client = useComm();
  const source = useMemo(() => typingSource(client, id), [client, id]);
  return useObservable(source);
}

/** The presence of users by user id, kept up to date. Users whose presence is unknown are missing. */
export function usePresence(userIds: readonly string[]): Presences {
  const client = useComm();
  const key = JSON.stringify(userIds);
  // A new list of the same ids doesn't watch again.
  const source = useMemo(() => presenceSource(client, JSON.parse(key) as string[]), [client, key]);
  return useObservable(source);
}

/**
 * The profile of a user, kept up to date. `undefined` until it is known.
 *
 * @param userId - `undefined` while no user is selected
 */
export function useUser(userId: string | undefined): User | undefined {
  const client = useComm();
  const source = useMemo(() => userSource(client, userId), [client, userId]);
  return useObservable(source);
}

/** The profiles of users by user id, kept up to date. Users who are unknown are missing. */
export function useUsers(userIds: readonly string[]): Users {
  const client = useComm();
  const key = JSON.stringify(userIds);
  const source = useMemo(() => usersSource(client, JSON.parse(key) as string[]), [client, key]);
  return useObservable(source);
}

/**
 * The call that this device takes part in, wherever in the app it was started or accepted: its state, and `session` with what
 * can be done with it. `undefined` without a call; a ringing call is one once it is accepted. Of several calls it is the one
 * that is not on hold.
 *
 * @param selector - selects a part. The component renders again only if it changes.
 */
export function useCall<S = CurrentCall | undefined>(selector?: Selector<CurrentCall | undefined, S>): S {
  const client = useComm();
  const source = useMemo(() => callSource(client), [client]);
  return useObservable(source, selector);
}

/** The call that rings on this device, until it is accepted, rejected, cancelled or answered on another device. */
export function useIncomingCall(): CurrentCall | undefined {
  const client = useComm();
  const source = useMemo(() => incomingCallSource(client), [client]);
  return useObservable(source);
}

/** Returns the selected part of an observable, and renders the component again when that part changes. */
function useObservable<T, S = T>(source: Observable<T>, selector?: Selector<T, S>): S {
  const shown = useRef<{ readonly value: S }>(undefined);
  const [getSnapshot, getServerSnapshot] = useMemo(() => {
    // A selector that is written in the component is a new function each time: it starts from what is shown.
    const select = createSelection(selector, () => shown.current?.value);
    const selectOnServer = createSelection(selector);
    return [() => select(source.getSnapshot()), () => selectOnServer(source.getServerSnapshot())] as const;
  }, [source, selector]);
  const value = useSyncExternalStore(source.subscribe, getSnapshot, getServerSnapshot);
  useEffect(() => {
    shown.current = { value };
  }, [value]);
  return value;
}
