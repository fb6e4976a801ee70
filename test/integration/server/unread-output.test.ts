import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { eventually } from '../../helpers/eventually.ts';

const UNLIMITED = { burst: 1e9, perSecond: 1e9 };

test(
  'a connection that reads none of its REST responses is closed; others are served',
  { timeout: 90_000 },
  async () => {
    const causes: string[] = [];
    await using server = await startServer({
      logger: { ...silentLogger, warn: (cause) => void causes.push(cause) },
      limits: {
        // Long enough for the client in this process, which reads only when the process has time for it.
        readTimeoutMs: 5_000,
        unreadBytesPerSocket: 1e9,
        unreadBytesPerUser: 1e9,
        requests: UNLIMITED,
        requestBytes: UNLIMITED,
        messages: UNLIMITED,
      },
    });
    const alice = await server.connect('alice');
    const { id } = await alice.ask('conversation:create', { type: 'group', participantIds: [] });
    const message = { conversationId: id, content: 'x'.repeat(9_000), type: 'text' } as const;
    await Promise.all(Array.from({ length: 110 }, () => alice.ask('message:send', message)));

    const socket = connect(server.server.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    const request = `GET /__nk_comm/conversations/${id}/messages?limit=200 HTTP/1.1\r\nHost: 127.0.0.1\r\nx-user-id: alice\r\n\r\n`;
    // More than the buffers of the kernel take.
    socket.write(request.repeat(60));
    await eventually(() => expect(causes).toContain('a connection read nothing in time'));
    expect((await server.rest(`/conversations/${id}/messages`, 'bob')).status).toBe(404);
    await alice.ask('comm:ping', {});
    socket.destroy();
  },
);
