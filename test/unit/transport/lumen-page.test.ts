import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { lumenPagePort, type LumenPageHost, type LumenPageSocket } from '../../../src/transport/lumen-page.ts';
import { logSocket } from '../../helpers/socket-log.ts';

const HANDSHAKE = { auth: {}, query: {} };
type Page = LumenPageHost & { event?: unknown; data?: unknown };

/** Assigns a push to the component as the framework does. */
const spread = (page: Page, push: Record<string, unknown>): unknown => Object.assign(page, push);

async function onProperties(page: Page = { emit: () => undefined }) {
  const port = lumenPagePort(page);
  const log = logSocket(port);
  port.connect(HANDSHAKE);
  expect(log.entries).toEqual([]);
  expect(await log.next()).toEqual({ type: 'connected' });
  return { page, port, log };
}

describe('with the properties of a page component', () => {
  test('the port is not lossless', async () => {
    const { port } = await onProperties();
    expect(port.lossless).toBe(false);
  });

  test('a request calls emit() without the prefix, which the framework adds, and is never acknowledged', async () => {
    const emitted: unknown[] = [];
    const { port } = await onProperties({ emit: (name, data) => emitted.push([name, data]) });
    port.emit('nk:message:send', { content: 'Hi' }, () => expect.unreachable('acknowledged'));
    expect(emitted).toEqual([['message:send', { content: 'Hi' }]]);
  });

  test('emit() is called with the component as this', async () => {
    class Component {
      readonly emitted: string[] = [];
      emit(name: string): void {
        this.emitted.push(name);
      }
    }
    const page = new Component();
    const { port } = await onProperties(page);
    port.emit('nk:typing:start', {});
    expect(page.emitted).toEqual(['typing:start']);
  });

  test.each<[string, Record<string, unknown>]>([
    ['event first', { event: 'message:new', data: { id: '1' } }],
    ['data first', { data: { id: '1' }, event: 'message:new' }],
    ['with undefined for data', { event: 'message:new', data: undefined }],
  ])('a push arrives as one frame, %s', async (_title, push) => {
    const { page, log } = await onProperties();
    spread(page, push);
    expect(await log.next()).toEqual({ type: 'pushed', frame: { event: 'message:new', data: push['data'] } });
  });

  test('all pushes of one turn arrive, also repeated ones, and the component keeps the last', async () => {
    const { page, log } = await onProperties();
    const push = { event: 'typing:update', data: { isTyping: true } };
    spread(page, push);
    spread(page, push);
    spread(page, { event: 'message:new', data: 2 });
    expect(log.entries.slice(1)).toEqual([
      { type: 'pushed', frame: push },
      { type: 'pushed', frame: push },
      { type: 'pushed', frame: { event: 'message:new', data: 2 } },
    ]);
    expect([page.event, page.data]).toEqual(['message:new', 2]);
  });

  test('a single assigned property is not a push and is not combined with a later one', async () => {
    const { page, log } = await onProperties();
    page.data = 'the component’s own';
    await Promise.resolve();
    spread(page, { event: 'message:new', data: 1 });
    page.event = 'without data';
    await Promise.resolve();
    spread(page, { data: 2, event: 'message:deleted' });
    expect(log.entries.slice(1).map((entry) => ('frame' in entry ? entry.frame : entry))).toEqual([
      { event: 'message:new', data: 1 },
      { event: 'message:deleted', data: 2 },
    ]);
  });

  test('an accessor of the component’s class still runs, so that reactive properties render', async () => {
    class Component {
      readonly assigned: unknown[] = [];
      #data: unknown = 'initial';
      get data(): unknown {
        return this.#data;
      }
      set data(value: unknown) {
        this.#data = value;
        this.assigned.push(value);
      }
      emit(): void {
        this.assigned.push('emitted');
      }
    }
    const page = new Component();
    const { port, log } = await onProperties(page);
    expect(page.data).toBe('initial');
    spread(page, { event: 'message:new', data: 1 });
    expect(await log.next()).toMatchObject({ type: 'pushed' });
    expect([page.data, page.assigned]).toEqual([1, [1]]);
    port.disconnect();
    expect(Object.hasOwn(page, 'data')).toBe(false);
    page.data = 2;
    expect(page.assigned).toEqual([1, 2]);
  });

  test('disconnect() restores the properties with their last values and stops listening', async () => {
    const page: Page = { emit: () => undefined, event: 'old' };
    const { port, log } = await onProperties(page);
    spread(page, { event: 'message:new', data: 1 });
    port.disconnect();
    spread(page, { event: 'message:new', data: 2 });
    port.emit('nk:typing:start', {});
    expect(log.entries).toHaveLength(2);
    expect(Object.getOwnPropertyDescriptors(page)).toMatchObject({
      event: { value: 'message:new', writable: true, enumerable: true, configurable: true },
      data: { value: 2, writable: true, enumerable: true, configurable: true },
    });
    port.disconnect();
    expect(page.data).toBe(2);
  });

  test('a property that did not exist and was not assigned does not exist afterwards', async () => {
    const { page, port } = await onProperties();
    port.disconnect();
    expect(Object.keys(page)).toEqual(['emit']);
  });

  test('after disconnect() and connect() each push arrives once', async () => {
    const { page, port, log } = await onProperties();
    port.connect(HANDSHAKE);
    port.disconnect();
    port.connect(HANDSHAKE);
    expect(await log.next()).toEqual({ type: 'connected' });
    spread(page, { event: 'message:new', data: 1 });
    expect(log.entries.filter(({ type }) => type === 'pushed')).toHaveLength(1);
    expect(log.entries.filter(({ type }) => type === 'connected')).toHaveLength(2);
  });

  test('a component without emit() refuses the connection and accepts it once it has one', async () => {
    const page: Page = {};
    const port = lumenPagePort(page);
    const log = logSocket(port);
    port.connect(HANDSHAKE);
    expect(await log.next()).toMatchObject({ type: 'refused', code: undefined });
    expect(Object.keys(page)).toEqual([]);
    page.emit = () => undefined;
    port.connect(HANDSHAKE);
    expect(await log.next()).toEqual({ type: 'connected' });
  });

  test.each(['event', 'data'])('a sealed property %s is a TypeError and leaves no interception behind', (name) => {
    const page: Page = { emit: () => undefined };
    Object.defineProperty(page, name, { value: 1, configurable: false });
    expect(() => lumenPagePort(page).connect(HANDSHAKE)).toThrow(TypeError);
    expect(Object.keys(page)).toEqual(['emit']);
  });
});

/** A fake of the framework's socket. */
class PageSocket extends EventEmitter implements LumenPageSocket {
  connected = false;
  active = true;
  connects = 0;
  readonly sent: unknown[][] = [];
  connect(): void {
    this.connects += 1;
    this.active = true;
  }
  override emit(event: string, ...args: unknown[]): boolean {
    this.sent.push([event, ...args]);
    return true;
  }
  receive(event: string, ...args: unknown[]): void {
    super.emit(event, ...args);
  }
  open(): void {
    this.connected = true;
    this.receive('connect');
  }
  lose(reason: string): void {
    this.connected = false;
    this.active = reason !== 'io server disconnect';
    this.receive('disconnect', reason);
  }
}

function onSocket(socket = new PageSocket()) {
  const port = lumenPagePort({}, { socket });
  return { socket, port, log: logSocket(port) };
}

describe('with the socket of a page', () => {
  test('the port is lossless', () => {
    expect(onSocket().port.lossless).toBe(true);
  });

  test('a socket that is already connected is reported after connect() has returned', async () => {
    const { socket, port, log } = onSocket();
    socket.open();
    port.connect(HANDSHAKE);
    expect(log.entries).toEqual([]);
    expect(await log.next()).toEqual({ type: 'connected' });
  });

  test('events, pushes and acknowledgements are passed on unchanged', () => {
    const { socket, port, log } = onSocket();
    port.connect(HANDSHAKE);
    socket.open();
    const replies: unknown[] = [];
    port.emit('nk:message:send', { content: 'Hi' }, (reply) => replies.push(reply));
    port.emit('nk:typing:stop', {});
    const [send, typing] = socket.sent as [unknown[], unknown[]];
    expect(send.slice(0, 2)).toEqual(['nk:message:send', { content: 'Hi' }]);
    expect(typing).toEqual(['nk:typing:stop', {}]);
    (send[2] as (reply: unknown) => void)({ ok: true });
    expect(replies).toEqual([{ ok: true }]);
    socket.receive('nk:data', { event: 'a' });
    socket.receive('nk:data', { event: 'b' });
    expect(log.entries.slice(1)).toEqual([
      { type: 'pushed', frame: { event: 'a' } },
      { type: 'pushed', frame: { event: 'b' } },
    ]);
  });

  test('a lost connection is reported once, and its acknowledgements never arrive', () => {
    const { socket, port, log } = onSocket();
    port.connect(HANDSHAKE);
    socket.open();
    port.emit('nk:slow', {}, () => expect.unreachable('acknowledged'));
    const acknowledge = socket.sent[0]?.[2] as () => void;
    socket.lose('transport close');
    port.emit('nk:lost', {});
    // The framework's socket reconnects before the client calls connect().
    socket.open();
    socket.receive('nk:data', { event: 'early' });
    expect(log.entries).toEqual([
      { type: 'connected' },
      { type: 'disconnected', reason: 'transport close', byServer: false },
    ]);
    acknowledge();
    expect(socket.sent).toHaveLength(1);
  });

  test('a disconnect by the server is reported as such, and connect() reconnects the socket', () => {
    const { socket, port, log } = onSocket();
    port.connect(HANDSHAKE);
    socket.open();
    socket.lose('io server disconnect');
    expect(log.entries.at(-1)).toEqual({ type: 'disconnected', reason: 'io server disconnect', byServer: true });
    port.connect(HANDSHAKE);
    expect(socket.connects).toBe(1);
    socket.open();
    expect(log.entries.at(-1)).toEqual({ type: 'connected' });
  });

  test('connect() does not interrupt a socket that is connecting', () => {
    const { socket, port } = onSocket();
    port.connect(HANDSHAKE);
    expect(socket.connects).toBe(0);
  });

  test('a refusal has the code of the server', () => {
    const { socket, port, log } = onSocket();
    port.connect(HANDSHAKE);
    socket.receive('connect_error', Object.assign(new Error('no'), { data: { code: 'UNAUTHENTICATED' } }));
    expect(log.entries).toEqual([{ type: 'refused', code: 'UNAUTHENTICATED', message: 'no' }]);
  });

  test('disconnect() leaves the socket open and removes all listeners', async () => {
    const { socket, port, log } = onSocket();
    for (let round = 0; round < 3; round += 1) port.connect(HANDSHAKE);
    socket.open();
    port.disconnect();
    expect(socket.eventNames()).toEqual([]);
    expect(socket.connected).toBe(true);
    socket.receive('nk:data', { event: 'late' });
    socket.lose('transport close');
    await Promise.resolve();
    expect(log.entries).toEqual([{ type: 'connected' }]);
  });
});
