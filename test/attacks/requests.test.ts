import { expect, test } from 'vitest';
import { io } from 'socket.io-client';
import { MAX_DELAY_MS, MEGABYTE, startAttackedServer } from './test-bed.ts';

test('a user who sends 20,000 requests at once delays no other user', async () => {
  await using server = await startAttackedServer();
  const mallory = await server.connect('mallory');
  const cost = await server.attack(async () => {
    await Promise.allSettled(Array.from({ length: 20_000 }, () => mallory.request('comm:ping', {})));
  });
  expect(cost.served).toBeGreaterThan(0);
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('an event whose name is no text is answered as unknown, or ends the connection', async () => {
  await using server = await startAttackedServer();
  const connect = async () => {
    const socket = io(`${server.url}/nk/messages`, {
      path: '/__nk_socketio/',
      forceNew: true,
      reconnection: false,
      transports: ['websocket'],
      auth: { token: await server.token('mallory') },
    });
    await new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(undefined));
      socket.once('connect_error', reject);
    });
    return socket;
  };
  const mallory = await connect();
  const emit = (...packet: readonly unknown[]): void => void mallory.emit(...(packet as [string]));
  const cost = await server.attack(async () => {
    for (const packet of [[1], [1.5, {}]]) {
      emit(...packet);
      const reply = await new Promise((resolve) => emit(...packet, resolve));
      expect(reply).toMatchObject({ ok: false, error: { code: 'UNSUPPORTED' } });
    }
    const closed = new Promise((resolve) => mallory.once('disconnect', resolve));
    emit(null);
    await closed;
  });
  expect(cost.served).toBeGreaterThan(0);
  (await connect()).disconnect();
});
