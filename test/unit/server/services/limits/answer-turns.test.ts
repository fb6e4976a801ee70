import { expect, test } from 'vitest';
import { AnswerTurns } from '../../../../../src/server/services/limits/answer-turns.ts';

/** Resolves in the next turn of the event loop, after the tasks that are due in it. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('one request of all users starts in each turn, and users take turns', async () => {
  const turns = new AnswerTurns();
  const started: string[] = [];
  for (const request of ['ann 1', 'ann 2', 'ann 3', 'bob 1', 'bob 2']) {
    void turns.next(request.split(' ')[0] ?? '').then(() => started.push(request));
  }
  const perTurn: number[] = [];
  for (let before = 0; started.length < 5; before = started.length) {
    await turn();
    perTurn.push(started.length - before);
  }
  expect(Math.max(...perTurn)).toBe(1);
  expect(started).toEqual(['ann 1', 'bob 1', 'ann 2', 'bob 2', 'ann 3']);
});

test('a request does not start in the turn in which it arrived, also if none waits', async () => {
  const turns = new AnswerTurns();
  for (const request of ['first', 'later']) {
    const events: string[] = [];
    // What arrives is handled before the callbacks of `setImmediate`.
    await new Promise((resolve) => setTimeout(resolve));
    void turns.next('ann').then(() => events.push(request));
    await turn();
    events.push('end of the turn');
    await expect.poll(() => events).toEqual(['end of the turn', request]);
  }
});
