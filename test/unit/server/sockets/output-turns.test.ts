import { expect, test } from 'vitest';
import { OutputTurns, PACKETS_PER_TURN } from '../../../../src/server/sockets/output-turns.ts';

test('what follows the last packet of a turn waits for the next turn', async () => {
  const turns = new OutputTurns();
  for (let packets = 0; packets < PACKETS_PER_TURN - 1; packets += 1) turns.sent();
  expect(turns.pause()).toBeUndefined();
  turns.sent();
  const paused = turns.pause();
  expect(paused).toBeDefined();
  await paused;
  expect(turns.pause()).toBeUndefined();
});

test('stored rows take the turn too', async () => {
  const turns = new OutputTurns();
  turns.stored(1);
  expect(turns.pause()).toBeUndefined();
  turns.stored(64);
  const paused = turns.pause();
  expect(paused).toBeDefined();
  await paused;
  expect(turns.pause()).toBeUndefined();
});
