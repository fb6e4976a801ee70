import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { DatabaseSync } from 'node:sqlite';
import { Server, type Socket } from 'socket.io';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../../../src/lib/logger.ts';
import { attachCommunication } from '../../../../src/server/index.ts';
import { connectClient, type CheckedClient } from '../../../helpers/server/checked-client.ts';
import { textFrame, upgradeRequest } from '../../../helpers/server/non-reading-socket.ts';

interface App {
  readonly url: string;
  readonly client: CheckedClient;
}

/**
 * Serves the protocol on a Socket.IO server of an app, which prepares each socket before or after it is served.
 *
 * @returns the server and a client of ada
 */
async function startApp(prepare: (socket: Socket) => void, when: 'before' | 'after' = 'before'): Promise<App> {
  const http = createServer();
  const io = new Server(http, { path: '/__nk_socketio/' });
  if (when === 'before') io.of('/nk/messages').on('connection', prepare);
  attachCommunication(io, { db: new DatabaseSync(':memory:'), logger: silentLogger });
  if (when === 'after') io.of('/nk/messages').on('connection', prepare);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const client = await connectClient(url, { userId: 'ada' });
  onTestFinished(async () => {
    client.close();
    await io.close();
  });
  return { url, client };
}

async function connectTo(prepare: (socket: Socket) => void): Promise<CheckedClient> {
  return (await startApp(prepare)).client;
}

test('a socket has listeners only for the requests that were used', async () => {
  let events: (string | symbol)[] = [];
  const ada = await connectTo((socket) => {
    socket.use((_, next) => {
      events = socket.eventNames();
      next();
    });
  });
  const served = ['disconnect', 'error'];
  for (const used of [[], ['nk:comm:ping'], ['nk:comm:ping']]) {
    await ada.ask('comm:ping', {});
    expect(events.map(String).toSorted()).toEqual([...served, ...used]);
  }
  await ada.refused('unknown', {});
  await ada.ask('comm:ping', {});
  expect(events.map(String).toSorted()).toEqual([...served, 'nk:comm:ping']);
});

test('requests are answered after the app has removed the listeners of its socket', async () => {
  let served: Socket | undefined;
  const ada = await connectTo((socket) => (served = socket));
  await ada.ask('comm:ping', {});
  served?.removeAllListeners('nk:comm:ping');
  await ada.ask('comm:ping', {});
});

test('a middleware that the app adds after the socket is served runs before each request and can stop it', async () => {
  const seen: unknown[] = [];
  const { client: ada } = await startApp(
    (socket) =>
      socket.use(([event], next) => {
        seen.push(event);
        if (event !== 'nk:conversation:create') next();
      }),
    'after',
  );
  let isAnswered = false;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    ada.socket.emit('nk:conversation:create', { type: 'group', participantIds: [] }, () => (isAnswered = true));
  }
  await ada.ask('comm:ping', {});
  expect(seen).toEqual(['nk:conversation:create', 'nk:conversation:create', 'nk:comm:ping']);
  expect(isAnswered).toBe(false);
});

test('what follows a disconnection in the same chunk is not handled', async () => {
  let left: Promise<unknown> | undefined;
  const { url, client: ada } = await startApp((socket) => {
    left = once(socket, 'disconnect');
  });
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  const { hostname, port } = new URL(url);
  const bob = connect(Number(port), hostname);
  onTestFinished(() => void bob.destroy());
  await once(bob, 'connect');
  bob.write(upgradeRequest(url, '&userId=bob'));
  await arrival(bob, '"sid"');
  bob.write(textFrame('40/nk/messages,{"caps":["ack","rev"]}'));
  await arrival(bob, 'comm:hello');
  const send = (content: string): Buffer =>
    textFrame(`42/nk/messages,["nk:message:send",${JSON.stringify({ conversationId, content, type: 'text' })}]`);
  bob.write(send('before'));
  await ada.next('message:new', ({ content }) => content === 'before');
  bob.write(Buffer.concat([textFrame('41/nk/messages,'), send('after')]));
  await left;
  await ada.ask('message:send', { conversationId, content: 'last', type: 'text' });
  await ada.next('message:new', ({ content }) => content === 'last');
  expect(ada.payloads('message:new').map(({ content }) => content)).toEqual(['before', 'last']);
});

/** Resolves when a text has arrived. */
function arrival(socket: Readable, wanted: string): Promise<void> {
  let text = '';
  return new Promise((resolve) => {
    const read = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.includes(wanted)) return;
      socket.off('data', read);
      resolve();
    };
    socket.on('data', read);
  });
}

test('a middleware of the app runs before a request and can stop it', async () => {
  const seen: string[] = [];
  const ada = await connectTo((socket) => {
    socket.use(([event], next) => {
      seen.push(event);
      if (event !== 'nk:typing:start') next();
    });
  });
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
  let answered = false;
  ada.socket.emit('nk:typing:start', { conversationId }, () => (answered = true));
  await ada.ask('comm:ping', {});
  expect(seen).toEqual(['nk:conversation:create', 'nk:typing:start', 'nk:comm:ping']);
  expect(answered).toBe(false);
});

test("the app's own listeners are called, for requests and for its own events", async () => {
  const heard: unknown[] = [];
  const ada = await connectTo((socket) => {
    socket.on('nk:typing:start', (payload: unknown) => heard.push(payload));
    socket.on('nk:app', (payload: unknown, answer: (reply: unknown) => void) => {
      heard.push(payload);
      answer({ ok: true, data: 'from the app' });
    });
  });
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
  expect(await ada.ask('typing:start', { conversationId })).toBeNull();
  expect(await ada.raw('app', 7)).toEqual({ ok: true, data: 'from the app' });
  expect(heard).toEqual([{ conversationId }, 7]);
  expect(await ada.refused('unknown', {})).toMatchObject({ code: 'UNSUPPORTED' });
  expect(await ada.refused('toString', {})).toMatchObject({ code: 'UNSUPPORTED' });
});
