import { afterEach, beforeEach } from 'vitest';
import { startBaseServer, type BaseServer, type BaseServerOptions } from '../base-server.ts';
import { manualClock, type ManualClock } from '../manual-clock.ts';
import { connectRaw, type RawClient, type RawClientOptions } from '../raw-client.ts';

export interface BaseServerFixture {
  readonly server: BaseServer;
  readonly clock: ManualClock;
  /** Replaces the server by another one. */
  restart(options: BaseServerOptions): Promise<void>;
  /** Connects a client, which is closed after the test. */
  connect(options: RawClientOptions): Promise<RawClient>;
  /** Connects as a user, joins a conversation and waits until the server has processed it. */
  client(userId: string, ...joining: string[]): Promise<RawClient>;
}

/** Starts a base server for each test of a file, with a clock at the beginning of 2025. */
export function useBaseServer(): BaseServerFixture {
  const clients: RawClient[] = [];
  let clock: ManualClock;
  let server: BaseServer;
  const start = async (options: BaseServerOptions = {}): Promise<void> => {
    clock = manualClock(Date.UTC(2025, 0, 1));
    server = await startBaseServer({ clock, ...options });
  };
  const connect = async (options: RawClientOptions): Promise<RawClient> => {
    const raw = await connectRaw(server.url, options);
    clients.push(raw);
    return raw;
  };
  beforeEach(() => start());
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await server.close();
  });
  return {
    get server() {
      return server;
    },
    get clock() {
      return clock;
    },
    async restart(options) {
      await server.close();
      await start(options);
    },
    connect,
    async client(userId, ...joining) {
      const raw = await connect({ userId });
      for (const conversationId of joining) raw.emit('conversation:join', { conversationId });
      await raw.settled();
      return raw;
    },
  };
}

/** The names of the pushes that a client received, without those that `settled()` causes. */
export function names({ pushes }: RawClient): string[] {
  return pushes.map(({ event }) => event).filter((event) => event !== 'conversation:updated');
}
