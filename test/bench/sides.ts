import { io } from 'socket.io-client';
import { CommClient } from 'lumen-comm';
import { patientClock } from '../helpers/client/patient-clock.ts';

/** A user in a room on one of the two servers. */
export interface Participant {
  /** Resolves when the server has acknowledged it. */
  send(content: string): Promise<unknown>;
  /** Calls `listener` with each message of the room, including own ones. */
  listen(listener: (content: string) => void): void;
  leave(): void;
}

/** One of the compared servers. Both are driven by the same code. */
export interface Side {
  /** Creates a room for these users without connecting them. */
  room(userIds: readonly string[]): Promise<Room>;
}
export interface Room {
  /** Resolves when the user receives all messages of the room. */
  enter(userId: string): Promise<Participant>;
}

/** On a busy machine the hello of a server can take longer than the second that apps wait for it. */
const HELLO_MS = 60_000;

/** Returns a client that isn't connected yet. */
export function commClient(url: string, userId: string): CommClient {
  return new CommClient({ url, userId, transports: ['websocket'], clock: patientClock({ helloMs: HELLO_MS }) });
}

export function commSide(url: string): Side {
  const client = (userId: string): CommClient => commClient(url, userId);
  return {
    async room(userIds) {
      const [creator = '', ...participantIds] = userIds;
      await using founder = client(creator);
      await founder.connect();
      const { id } = await founder.conversations.create({ type: 'group', name: 'Bench', participantIds });
      return { enter: (userId) => enterComm(client(userId), id) };
    },
  };
}

async function enterComm(client: CommClient, conversationId: string): Promise<Participant> {
  await client.connect();
  return {
    send: (content) => client.messages.send({ conversationId, content }),
    listen(listener) {
      client.on('message:new', (message) => listener(message.content));
    },
    leave: () => void client[Symbol.asyncDispose](),
  };
}

let rooms = 0;

export function relaySide(url: string): Side {
  return {
    room() {
      rooms += 1;
      const id = `01900000-0000-7000-8000-${String(rooms).padStart(12, '0')}`;
      return Promise.resolve({ enter: (userId) => enterRelay(url, id, userId) });
    },
  };
}

async function enterRelay(url: string, room: string, userId: string): Promise<Participant> {
  const socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false });
  await socket.emitWithAck('join', room);
  return {
    send: (content) => socket.emitWithAck('send', message(room, userId, content)),
    listen(listener) {
      socket.on('push', ({ data }: { data: { content: string } }) => listener(data.content));
    },
    leave: () => void socket.disconnect(),
  };
}

/** Has the same size on the wire as a message of lumen-comm. */
function message(conversationId: string, senderId: string, content: string): Readonly<Record<string, unknown>> {
  return {
    id: '100000',
    conversationId,
    senderId,
    content,
    type: 'text',
    createdAt: '2025-01-01T00:00:00.000Z',
    status: 'sent',
    readBy: [],
    clientId: '01900000-0000-7000-8000-000000000000',
    seq: 100_000,
    rev: 100_000,
  };
}
