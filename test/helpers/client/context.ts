import type { ClientContext } from '../../../src/client/context.ts';
import type { CommEvents } from '../../../src/client/events.ts';
import { deferred, type Deferred } from '../../../src/lib/deferred.ts';
import { Emitter } from '../../../src/lib/emitter.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import type { RequestName } from '../../../src/protocol/events.ts';
import type { Capability } from '../../../src/protocol/constants.ts';
import * as rows from '../../../src/transport/parse-rows.ts';
import { uuidv7Generator } from '../../../src/lib/ids.ts';
import { systemRandom } from '../../../src/lib/random.ts';
import { manualClock, type ManualClock } from '../manual-clock.ts';

interface Asked {
  name: RequestName;
  payload: unknown;
  answer: Deferred<unknown>;
}

/** What the composition root hands out, worked by hand. */
export interface FakeContext extends ClientContext {
  readonly clock: ManualClock;
  /** Every request so far. */
  readonly asked: Asked[];
  readonly reported: unknown[];
  readonly told: { event: keyof CommEvents; payload: unknown }[];
  line: 'up' | 'down';
  caps: Set<Capability>;
  user: string | undefined;
  /** The unanswered requests of that name, in order. */
  open(name: RequestName): Asked[];
}

export function fakeContext(): FakeContext {
  const emitter = new Emitter<CommEvents>((error) => {
    throw error;
  });
  const clock = manualClock();
  const context: FakeContext = {
    clock,
    // The longest wait that a backoff can have.
    random: { ...systemRandom, number: () => 0.999 },
    newId: uuidv7Generator(() => clock.now(), systemRandom),
    cipher: undefined,
    asked: [],
    reported: [],
    told: [],
    line: 'up',
    caps: new Set(['ack', 'client-id', 'rev', 'delivered', 'presence-watch']),
    user: 'alice',
    requester: {
      request: (name, payload) => {
        if (context.line === 'down') return Promise.reject(new CommError('DISCONNECTED', 'The line is down'));
        const answer = deferred<unknown>();
        context.asked.push({ name, payload, answer });
        return answer.promise as never;
      },
    },
    rows: Object.assign(() => Promise.resolve(rows), { current: rows }),
    emitter,
    logger: silentLogger,
    userId: () => context.user,
    has: (capability) => context.caps.has(capability),
    online: () => context.line === 'up',
    whenConnected: () =>
      context.line === 'up' ? Promise.resolve() : Promise.reject(new CommError('DISCONNECTED', 'The line is down')),
    untilConnected: () => Promise.resolve(),
    report: (error) => context.reported.push(error),
    open: (name) => context.asked.filter((each) => each.name === name),
  };
  for (const event of ['presence:changed', 'typing:update', 'message:new'] as const) {
    emitter.on(event, (payload) => context.told.push({ event, payload }));
  }
  return context;
}
