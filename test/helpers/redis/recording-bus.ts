import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { systemRandom } from '../../../src/lib/random.ts';
import type { Bus } from '../../../src/server/cluster/bus.ts';
import { RedisBus, type RedisBusOptions } from '../../../src/server/cluster/redis-bus.ts';

/** A bus, and what its process was told. */
export interface RecordingBus<B extends Bus = Bus> {
  readonly bus: B;
  /** `channel payload` of each message, in order. */
  readonly received: string[];
  readonly missed: Set<string>;
}

/** Records what a bus receives. */
export function recording<B extends Bus>(bus: B): RecordingBus<B> {
  const received: string[] = [];
  const missed = new Set<string>();
  bus.listen({
    received: (channel, payload) => void received.push(`${channel} ${payload}`),
    missed: (channels) => channels.forEach((channel) => missed.add(channel)),
  });
  return { bus, received, missed };
}

/** Returns a bus of another process over a Redis. It isn't open yet. */
export function redisBus(url: string, options: Partial<RedisBusOptions> = {}): RedisBus {
  const processId = crypto.randomUUID();
  return new RedisBus({
    url,
    processId,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    ...options,
  });
}
