import {
  computed,
  getCurrentInstance,
  hasInjectionContext,
  inject,
  onMounted,
  provide,
  shallowRef,
  toValue,
  watch,
  type InjectionKey,
  type MaybeRefOrGetter,
  type Plugin,
  type ShallowRef,
} from 'vue';
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

/** A ref that follows a state. */
export type State<T> = Readonly<ShallowRef<T>>;

const COMM_CLIENT: InjectionKey<CommClient> = Symbol('lumen-comm');

/** Clients by the component that provides them. `inject()` finds only what components above provide. */
const ownClients = new WeakMap<object, CommClient>();

/** A plugin that provides a client to all components: `app.use(createComm(client))`. It neither connects nor disconnects it. */
export function createComm(client: CommClient): Plugin {
  return { install: (app) => void app.provide(COMM_CLIENT, client) };
}

/** Provides a client to the component that calls it in `setup`, and to the components below. */
export function provideComm(client: CommClient): void {
  const instance = getCurrentInstance();
  if (instance !== null) ownClients.set(instance, client);
  provide(COMM_CLIENT, client);
}

/** Returns the provided client. @throws Error without one */
export function useComm(): CommClient {
  const instance = getCurrentInstance();
  const own = instance === null ? undefined : ownClients.get(instance);
  const client = own ?? (hasInjectionContext() ? inject(COMM_CLIENT, undefined) : undefined);
  if (client === undefined) throw new Error('useComm() needs app.use(createComm(client)) or provideComm(client)');
  return client;
}

/**
 * The state of the connection: whether the client is connected, otherwise why not and when it tries again.
 *
 * @param selector - selects a part. The ref changes only if it does.
 */
export function useConnection<S = ConnectionSnapshot>(selector?: Selector<ConnectionSnapshot, S>): State<S> {
  const { connection } = useComm();
  return useObservable(() => connection, selector);
}

/**
 * The list of conversations. Loads its first page when the component is mounted.
 *
 * @param selector - selects a part. The ref changes only if it does.
 */
export function useInbox<S = InboxState>(selector?: Selector<InboxState, S>): State<S> {
  const inbox = inboxSource(useComm());
  return useObservable(() => inbox, selector);
}

/**
 * An open conversation and what can be done with it. It is opened when the component is mounted, and closed when the last
 * component that shows it is unmounted.
 *
 * @param id - `undefined` while no conversation is selected
 * @param selector - selects a part. The ref changes only if it does.
 */
export function useConversation<S = ConversationState>(
  id: MaybeRefOrGetter<string | undefined>,
  selector?: Selector<ConversationState, S>,
): State<S> {
  const client = useComm();
  return useObservable(() => conversationSource(client, toValue(id)), selector);
}

/**
 * The thread of a message and what can be done with it: `messages` are the replies, `root` is the message. It is open while a
 * component shows it.
 *
 * @param id - id of the conversation; `undefined` while no thread is selected
 * @param messageId - id of the root; `undefined` while no thread is selected
 * @param selector - selects a part. The ref changes only if it does.
 */
export function useThread<S = ConversationState>(
  id: MaybeRefOrGetter<string | undefined>,
  messageId: MaybeRefOrGetter<string | undefined>,
  selector?: Selector<ConversationState, S>,
): State<S> {
  const client = useComm();
  return useObservable(() => threadSource(client, toValue(id), toValue(messageId)), selector);
}

/**
 * The messages of this user that the server has not stored yet, oldest first: waiting, being sent, or rejected (`failed`).
 *
 * @param selector - selects a part. The ref changes only if it does.
 */
export function useOutbox<S = readonly PendingMessage[]>(selector?: Selector<readonly PendingMessage[], S>): State<S> {
  const { outbox } = useComm().messages;
  return useObservable(() => outbox, selector);
}

/** Ids of the other users who are typing in a conversation, which is open while the component is mounted. */
export function useTyping(id: MaybeRefOrGetter<string | undefined>): State<readonly string[]> {
  const client = useComm();
  return useObservable(() => typingSource(client, toValue(id)));
}

/** The presence of users by user id, kept up to date. Users whose presence is unknown are missing. */
export function usePresence(userIds: MaybeRefOrGetter<readonly string[]>): State<Presences> {
  const client = useComm();
  // A new list of the same ids doesn't watch again.
  const key = computed(() => JSON.stringify(toValue(userIds)));
  return useObservable(() => presenceSource(client, JSON.parse(key.value) as string[]));
}

/**
 * The profile of a user, kept up to date. `undefined` until it is known.
 *
 * @param userId - `undefined` while no user is selected
 */
export function useUser(userId: MaybeRefOrGetter<string | undefined>): State<User | undefined> {
  const client = useComm();
  return useObservable(() => userSource(client, toValue(userId)));
}

/** The profiles of users by user id, kept up to date. Users who are unknown are missing. */
export function useUsers(userIds: MaybeRefOrGetter<readonly string[]>): State<Users> {
  const client = useComm();
  const key = computed(() => JSON.stringify(toValue(userIds)));
  return useObservable(() => usersSource(client, JSON.parse(key.value) as string[]));
}

/**
 * The call that this device takes part in, wherever in the app it was started or accepted: its state, and `session` with what
 * can be done with it. `undefined` without a call; a ringing call is one once it is accepted. Of several calls it is the one
 * that is not on hold.
 *
 * @param selector - selects a part. The ref changes only if it does.
 */
export function useCall<S = CurrentCall | undefined>(selector?: Selector<CurrentCall | undefined, S>): State<S> {
  const call = callSource(useComm());
  return useObservable(() => call, selector);
}

/** The call that rings on this device, until it is accepted, rejected, cancelled or answered on another device. */
export function useIncomingCall(): State<CurrentCall | undefined> {
  const call = incomingCallSource(useComm());
  return useObservable(() => call);
}

/** A ref of the selected part of an observable. It subscribes when the component is mounted, which a server never does. */
function useObservable<T, S = T>(getSource: () => Observable<T>, selector?: Selector<T, S>): State<S> {
  const select = createSelection(selector);
  const source = computed(getSource);
  const instance = getCurrentInstance();
  // An element exists before the first rendering only if the server rendered it: that rendering must be repeated.
  const isHydrating = instance !== null && instance.vnode.el !== null;
  const isServer = typeof window === 'undefined';
  const { getSnapshot, getServerSnapshot } = source.value;
  const shown = shallowRef(select(isServer || isHydrating ? getServerSnapshot() : getSnapshot()));

  const follow = (): void => {
    watch(
      source,
      ({ getSnapshot: read, subscribe }, _old, onCleanup) => {
        const show = (): void => void (shown.value = select(read()));
        onCleanup(subscribe(show));
        show();
      },
      { immediate: true, flush: 'sync' },
    );
  };
  if (instance !== null) onMounted(follow);
  // Outside of a component the effect scope ends the subscription.
  else if (!isServer) follow();
  return shown;
}
