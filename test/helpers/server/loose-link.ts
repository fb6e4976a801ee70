import type { Push } from '../../../src/protocol/events.ts';
import type { SocketLink } from '../../../src/server/socket-io.ts';

/** A socket without Socket.IO around it: what is pushed to it alone is given to `receive`. */
export function looseLink(id: string, receive: (push: Push) => void): SocketLink {
  return {
    id,
    rooms: undefined,
    push: receive,
    broadcastAll: () => undefined,
    join: () => undefined,
    leave: () => undefined,
    disconnect: () => undefined,
    drop: () => undefined,
  };
}
