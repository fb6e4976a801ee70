import { createServer } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Server } from 'socket.io';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../../src/lib/logger.ts';
import { attachCommunication, createCommunicationApiHandlers } from '../../../../src/server/index.ts';
import type { DatabaseSource } from '../../../../src/server/store/engine/database-source.ts';
import { openDatabase } from '../../../../src/server/store/engine/open.ts';
import { PART_BYTES, UNITS_PER_TURN } from '../../../../src/server/sockets/frame-turns.ts';
import { PACKETS_PER_TURN } from '../../../../src/server/sockets/output-turns.ts';
import { textFrame, upgradeRequest } from '../../../helpers/server/non-reading-socket.ts';

/** The frames that a server receives and those that it sends, by turn of the event loop. */
interface Turns extends AsyncDisposable {
  readonly url: string;
  readonly db: DatabaseSource;
  readonly received: readonly number[];
  readonly sent: readonly number[];
  /** Texts of the received frames, in order. */
  readonly texts: readonly string[];
}

/** Starts a server that counts its work in each turn. */
async function startCounting(): Promise<Turns> {
  const http = createServer();
  const io = new Server(http, { path: '/__nk_socketio/', maxHttpBufferSize: 1e6 });
  const db = openDatabase(':memory:');
  attachCommunication(io, { db, logger: silentLogger });
  const [received, sent, texts]: [number[], number[], string[]] = [[], [], []];
  let [frames, packets, isOpen] = [0, 0, true];
  io.engine.on('connection', (connection: EngineConnection) => {
    connection.on('packet', ({ data = '' }) => {
      frames += 1;
      texts.push(data);
    });
    connection.on('packetCreate', () => (packets += 1));
  });
  // Queued before anything else, so that it runs first in each turn.
  const nextTurn = (): void => {
    received.push(frames);
    sent.push(packets);
    [frames, packets] = [0, 0];
    if (isOpen) setImmediate(nextTurn);
  };
  setImmediate(nextTurn);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    db,
    received,
    sent,
    texts,
    async [Symbol.asyncDispose]() {
      isOpen = false;
      await io.close();
      db.close();
    },
  };
}

interface EngineConnection {
  on(event: 'packet' | 'packetCreate', listener: (packet: { data?: string }) => void): void;
}

async function openSocket(url: string, userId: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(upgradeRequest(url, `&userId=${userId}`));
  await once(socket, 'data');
  const hello = arrival(socket, 'comm:hello');
  socket.write(textFrame('40/nk/messages,{"caps":["ack","rev"]}'));
  await hello;
  return socket;
}

/** Resolves when a text has arrived. */
function arrival(socket: Socket, wanted: string): Promise<void> {
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

const ping = (ack: number): string => `2/nk/messages,${ack}["nk:comm:ping",{}]`;

/** The acknowledgement ids of the pings among the frames. */
function pings({ texts }: Turns): number[] {
  return texts.flatMap((text) => {
    const ack = /^2\/nk\/messages,(\d+)\["nk:comm:ping"/.exec(text)?.[1];
    return ack === undefined ? [] : [Number(ack)];
  });
}

const PINGS = Array.from({ length: 900 }, (_, at) => at);
/** The frames of a part are not divided. */
const MAX_FRAMES = UNITS_PER_TURN + PART_BYTES / textFrame(`4${ping(0)}`).length;
/** The ping of the other user. */
const OTHER = 1_000;

test('the frames of one chunk are handled in several turns, in order, also before the connection is closed', async () => {
  await using turns = await startCounting();
  const socket = await openSocket(turns.url, 'ann');
  const other = await openSocket(turns.url, 'bob');
  const answer = arrival(other, `43/nk/messages,${OTHER}[`);
  const close = Buffer.from([0x88, 0x80, 0, 0, 0, 0]);
  socket.write(Buffer.concat([...PINGS.map((ack) => textFrame(`4${ping(ack)}`)), close]));
  other.write(textFrame(`4${ping(OTHER)}`));
  socket.resume();
  await Promise.all([once(socket, 'close'), answer]);
  expect(Math.max(...turns.received)).toBeLessThanOrEqual(MAX_FRAMES);
  const acks = pings(turns);
  expect(acks.filter((ack) => ack !== OTHER)).toEqual(PINGS);
  // Bob did not wait for all of ann's frames.
  expect(acks.at(-1)).not.toBe(OTHER);
  other.destroy();
});

test('the packets of one long-polling request are handled in several turns, and then it is answered', async () => {
  await using turns = await startCounting();
  const path = `${turns.url}/__nk_socketio/?EIO=4&transport=polling&userId=ann`;
  const opened = await (await fetch(path)).text();
  const { sid } = JSON.parse(opened.slice(1)) as { sid: string };
  const post = async (body: string): Promise<string> =>
    (await fetch(`${path}&sid=${sid}`, { method: 'POST', body })).text();
  await post('40/nk/messages,{"caps":["ack","rev"]}');
  for (let text = ''; !text.includes('comm:hello');) text += await (await fetch(`${path}&sid=${sid}`)).text();
  expect(await post(PINGS.map((ack) => `4${ping(ack)}`).join('\u001E'))).toBe('ok');
  expect(pings(turns)).toEqual(PINGS);
  expect(Math.max(...turns.received)).toBeLessThanOrEqual(MAX_FRAMES);
});

test('the pushes of one commit are sent in several turns, in order', async () => {
  const members = Array.from({ length: 40 }, (_, at) => `user-${at}`);
  const messages = Array.from({ length: 128 }, (_, at) => `message ${at}`);
  await using turns = await startCounting();
  const { id } = await createCommunicationApiHandlers(turns.db).createConversation({
    type: 'group',
    participantIds: members,
  });
  const sockets = await Promise.all(members.map((userId) => openSocket(turns.url, userId)));
  const [sender] = sockets;
  const last = sockets.at(-1);
  if (sender === undefined || last === undefined) throw new Error('No socket');
  let text = '';
  last.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const arrived = arrival(last, `"${messages.at(-1)}"`);
  const frames = messages.map((content, ack) => {
    const payload = JSON.stringify({ conversationId: id, content, type: 'text' });
    return textFrame(`42/nk/messages,${ack}["nk:message:send",${payload}]`);
  });
  sender.write(Buffer.concat(frames));
  await arrived;
  const seen = Array.from(text.matchAll(/"(message \d+)"/g), ([, content]) => content);
  expect([...new Set(seen)]).toEqual(messages);
  // The pushes of one message are not divided, and each message of a turn is acknowledged.
  const messagesPerTurn = PACKETS_PER_TURN / members.length + 1;
  expect(Math.max(...turns.sent)).toBeLessThanOrEqual(messagesPerTurn * (members.length + 1));
  for (const socket of sockets) socket.destroy();
});
