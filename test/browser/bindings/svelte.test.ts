import { flushSync, mount, unmount } from 'svelte';
import { describeBinding, type Binding } from './behaviors.ts';
import App from './svelte/app.svelte';
import CallsApp from './svelte/calls-app.svelte';
import Connection from './svelte/connection.svelte';
import Provider from './svelte/provider.svelte';
import { createShown } from './svelte/shown.svelte.ts';
import Thread from './svelte/thread-app.svelte';

const svelte: Binding = {
  name: 'svelte',
  mount(target, client, id, rendered) {
    const shown = createShown(id);
    const app = mount(App, { target, props: { client, shown, rendered } });
    flushSync();
    return {
      show: (next) => flushSync(() => void (shown.id = next)),
      unmount: () => void unmount(app),
    };
  },
  mountThread(target, client, id, messageId) {
    const shown = createShown(messageId);
    const app = mount(Thread, { target, props: { client, id, shown } });
    flushSync();
    return {
      show: (next) => flushSync(() => void (shown.id = next)),
      unmount: () => void unmount(app),
    };
  },
  mountCalls(target, client, rendered) {
    const app = mount(CallsApp, { target, props: { client, rendered } });
    flushSync();
    return { unmount: () => void unmount(app) };
  },
  mountProvider(target, client) {
    const app = mount(Provider, { target, props: { client } });
    return { unmount: () => void unmount(app) };
  },
  mountWithoutClient(target) {
    mount(Connection, { target });
  },
};

describeBinding(svelte);
