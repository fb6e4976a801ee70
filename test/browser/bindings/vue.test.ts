import { createApp, defineComponent, h, shallowRef, Suspense, type Component, type VNode } from 'vue';
import {
  createComm,
  provideComm,
  useCall,
  useComm,
  useConnection,
  useConversation,
  useInbox,
  useIncomingCall,
  useOutbox,
  usePresence,
  useThread,
  useUser,
  useUsers,
  useTyping,
} from '../../../src/vue/index.ts';
import { describeBinding, type Binding } from './behaviors.ts';

const part = (name: string, text: string): VNode => h('p', { 'data-part': name }, text);
const properties = { id: String, rendered: Function };

const Connection = defineComponent(() => {
  const status = useConnection((connection) => connection.status);
  return () => part('connection', status.value);
});

const Inbox = defineComponent(() => {
  const inbox = useInbox();
  return () => part('inbox', inbox.value.loading ? 'loading' : String(inbox.value.conversations.length));
});

const Messages = defineComponent({
  props: properties,
  setup(props) {
    const conversation = useConversation(() => props.id);
    return () => {
      const { messages, loading, send } = conversation.value;
      const texts = messages.map(({ content }) => content).join('|');
      return h('section', [
        part('messages', props.id === undefined ? 'none' : loading ? 'loading' : texts),
        h('button', { onClick: () => void send('Hello') }, 'Send'),
      ]);
    };
  },
});

const Outbox = defineComponent(() => {
  const texts = useOutbox((messages) => messages.map(({ content }) => content).join('|'));
  return () => part('outbox', texts.value);
});

const Count = defineComponent({
  props: properties,
  setup(props) {
    const count = useConversation(
      () => props.id,
      ({ messages }) => messages.length,
    );
    return () => {
      props.rendered?.();
      return part('count', String(count.value));
    };
  },
});

const People = defineComponent({
  props: properties,
  setup(props) {
    const bob = useComm().userId?.replace('alice', 'bob') ?? '';
    const typing = useTyping(() => props.id);
    const presences = usePresence(() => [bob]);
    const profile = useUser(() => bob);
    const users = useUsers(() => [bob]);
    return () =>
      h('section', [
        part('typing', typing.value.join()),
        part('presence', presences.value.get(bob)?.status ?? 'unknown'),
        part('profile', profile.value?.displayName ?? 'unknown'),
        part('names', [...users.value.values()].map(({ displayName }) => displayName).join()),
      ]);
  },
});

const Thread = defineComponent({
  props: { id: String, messageId: String },
  setup(props) {
    const thread = useThread(
      () => props.id,
      () => props.messageId,
    );
    return () => {
      const { root, messages, loading, send } = thread.value;
      const texts = messages.map(({ content }) => content).join('|');
      const text = props.messageId === undefined ? 'none' : loading ? 'loading' : `${root?.content ?? ''}: ${texts}`;
      return h('section', [part('thread', text), h('button', { onClick: () => void send('Hello') }, 'Send')]);
    };
  },
});

const Incoming = defineComponent(() => {
  const call = useIncomingCall();
  return () =>
    h('section', [
      part('incoming', call.value?.callerId ?? 'none'),
      h('button', { onClick: () => void call.value?.session.accept() }, 'Accept'),
    ]);
});

const Call = defineComponent(() => {
  const call = useCall();
  return () =>
    h('section', [
      part('call', call.value === undefined ? 'none' : `${call.value.state}${call.value.audioMuted ? ', muted' : ''}`),
      h('button', { onClick: () => call.value?.session.hangup() }, 'Hang up'),
    ]);
});

const CallState = defineComponent({
  props: { rendered: Function },
  setup(props) {
    const state = useCall((call) => call?.state ?? 'none');
    return () => {
      props.rendered?.();
      return part('call-state', state.value);
    };
  },
});

/** The part of Vue that reloads components, in development builds. */
declare const __VUE_HMR_RUNTIME__: {
  createRecord(id: string, component: Component): boolean;
  reload(id: string, component: Component): void;
};

const vue: Binding = {
  name: 'vue',
  mount(target, client, id, rendered) {
    const shown = shallowRef(id);
    const app = createApp(() =>
      [Connection, Inbox, Messages, Count, People, Outbox].map((each) => h(each, { id: shown.value, rendered })),
    );
    app.use(createComm(client));
    app.mount(target);
    return { show: (next) => void (shown.value = next), unmount: () => app.unmount() };
  },
  mountThread(target, client, id, messageId) {
    const shown = shallowRef(messageId);
    const app = createApp(() => h(Thread, { id, ...(shown.value !== undefined && { messageId: shown.value }) }));
    app.use(createComm(client));
    app.mount(target);
    return { show: (next) => void (shown.value = next), unmount: () => app.unmount() };
  },
  mountCalls(target, client, rendered) {
    const app = createApp(() => [h(Incoming), h(Call), h(CallState, { rendered })]);
    app.use(createComm(client));
    app.mount(target);
    return { unmount: () => app.unmount() };
  },
  mountSuspended(target, client, id, ready) {
    const Suspended = defineComponent({
      async setup() {
        const conversation = useConversation(id);
        const status = useConnection((connection) => connection.status);
        await ready;
        return () =>
          h('section', [
            part('connection', status.value),
            part('messages', conversation.value.messages[0]?.content ?? ''),
          ]);
      },
    });
    const app = createApp(() =>
      h(Suspense, {}, { default: () => h('div', [h(Inbox), h(Suspended)]), fallback: () => 'waiting' }),
    );
    app.use(createComm(client));
    app.mount(target);
    return { unmount: () => app.unmount() };
  },
  mountReloadable(target, client, id) {
    const create = () => ({ ...Messages, __hmrId: 'messages' });
    const shown = create();
    __VUE_HMR_RUNTIME__.createRecord('messages', shown);
    const app = createApp(() => h(shown as Component, { id }));
    app.use(createComm(client));
    app.mount(target);
    return { reload: () => __VUE_HMR_RUNTIME__.reload('messages', create()), unmount: () => app.unmount() };
  },
  mountProvider(target, client) {
    const app = createApp(
      defineComponent(() => {
        provideComm(client);
        const status = useConnection((connection) => connection.status);
        return () => part('connection', status.value);
      }),
    );
    app.mount(target);
    return { unmount: () => app.unmount() };
  },
  mountWithoutClient(target) {
    createApp(Connection).mount(target);
  },
};

describeBinding(vue);
