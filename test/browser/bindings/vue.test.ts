import { createApp, defineComponent, h, shallowRef, type VNode } from 'vue';
import {
  createComm,
  useComm,
  useConnection,
  useConversation,
  useInbox,
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
  mountWithoutClient(target) {
    createApp(Connection).mount(target);
  },
};

describeBinding(vue);
