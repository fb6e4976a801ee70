import type { Push } from '../../../src/protocol/events.ts';
import type { SocketAdapter } from '../../../src/server/sockets/lumen-context.ts';

/** A socket without Socket.IO around it: what is pushed to it alone is given to `receive`. */
export function fakeSocketAdapter(id: string, receive: (push: Push) => void): SocketAdapter {
  return {
    id,
    rooms: undefined,
    push: receive,
    broadcastAll: () => undefined,
    join: () => undefined,
    leave: () => undefined,
    joined: () => [],
    disconnect: () => undefined,
    drop: () => undefined,
  };
}
