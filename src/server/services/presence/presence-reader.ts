import type { Ephemera } from '../../cluster/ephemera.ts';
import type { PresenceReader } from '../ports.ts';

/** Returns a reader of the presence that all processes share. */
export function presenceReader(shared: Ephemera): PresenceReader {
  return {
    async presenceOf(userIds) {
      const known = await shared.presenceOf(userIds);
      return new Map(Array.from(known, ([userId, { status }]) => [userId, status]));
    },
  };
}
