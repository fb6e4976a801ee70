import { PLAIN_CAPABILITIES } from '../../../src/protocol/vocabulary.ts';
import { Lifecycle, type LifecyclePorts } from '../../../src/client/lifecycle.ts';
import type { Deferred } from '../../../src/lib/deferred.ts';
import { TokenSource, type Token } from '../../../src/transport/token-source.ts';
import { Wire } from '../../../src/transport/wire.ts';
import { manualClock } from '../manual-clock.ts';
import { FakeSocket, settle } from './fake-socket.ts';

/** Everything the waits between attempts can be. */
export const BACKOFF_MS = 20_000;

interface Who {
  token?: Token;
  userId?: string;
}

/** What is around a lifecycle, worked by hand. */
export class LifecycleRig {
  readonly socket = new FakeSocket();
  readonly clock = manualClock();
  readonly log: string[] = [];
  readonly reported: unknown[] = [];
  /** What catching up waits for; by default nothing. */
  catchingUp: Deferred<void> | undefined;
  #isOurs = false;

  start({ token, userId }: Who = {}): Lifecycle {
    const { socket, clock, log } = this;
    const ports: LifecyclePorts = {
      socket,
      wire: new Wire(socket, clock, 10_000),
      tokens: new TokenSource(token),
      clock,
      caps: PLAIN_CAPABILITIES,
      userId,
      greeted: (hello) => {
        this.#isOurs = hello !== undefined;
        log.push(this.#isOurs ? 'hello' : 'no hello');
      },
      catchUp: async () => {
        log.push('catch up');
        await this.catchingUp?.promise;
      },
      lineLost: () => log.push('line lost'),
      pushed: (event) => log.push(`pushed ${event}`),
      status: (status) => log.push(status),
      canPing: () => this.#isOurs,
      report: (error) => this.reported.push(error),
    };
    return new Lifecycle(ports);
  }

  /** One that is connected to our server, its way there forgotten. */
  async connected(who?: Who): Promise<Lifecycle> {
    const lifecycle = this.start(who);
    const connecting = lifecycle.connect(undefined);
    await settle();
    this.socket.open();
    this.socket.hello();
    await connecting;
    this.log.length = 0;
    return lifecycle;
  }
}
