import { beforeEach, describe, expect, test } from 'vitest';
import { TypingTracker } from '../../../../src/client/presence/typing-tracker.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';

let context: FakeContext;
let typing: TypingTracker;
let serverTimeoutMs: number | undefined;

beforeEach(() => {
  context = fakeContext();
  serverTimeoutMs = undefined;
  typing = new TypingTracker(context, () => serverTimeoutMs);
});
const names = (): string[] => context.asked.map(({ name }) => name);
const bob = (isTyping: boolean, userId = 'bob'): void => typing.apply({ conversationId: 'c', userId, isTyping });

describe('the own indicator', () => {
  test('is sent with the first keystroke, repeated while typing goes on, and expires', () => {
    for (let at = 0; at < 30; at += 1) {
      typing.start('c');
      context.clock.advance(200);
    }
    expect(names()).toEqual(['typing:start', 'typing:start', 'typing:start']);
    context.clock.advance(5_000);
    expect(names().at(-1)).toBe('typing:stop');
    expect(context.clock.pending).toBe(0);
  });

  test('ends once with stop()', () => {
    typing.start('c');
    typing.stop('c');
    typing.stop('c');
    expect(names()).toEqual(['typing:start', 'typing:stop']);
    expect(context.clock.pending).toBe(0);
  });

  test('ends without a request when a message is sent, and starts again after it', () => {
    typing.start('c');
    typing.sent('c');
    expect(context.clock.pending).toBe(0);
    typing.start('c');
    expect(names()).toEqual(['typing:start', 'typing:start']);
  });

  test('uses the timeout of the server', () => {
    serverTimeoutMs = 1_000;
    typing.start('c');
    context.clock.advance(999);
    expect(names()).toEqual(['typing:start']);
    context.clock.advance(1);
    expect(names()).toEqual(['typing:start', 'typing:stop']);
  });

  test('is not sent while offline, and leaves no timer after a disconnect', () => {
    context.line = 'down';
    typing.start('c');
    expect(names()).toEqual([]);
    typing.connectionLost();
    expect(context.clock.pending).toBe(0);
    context.line = 'up';
    typing.start('c');
    expect(names()).toEqual(['typing:start']);
  });

  test('a failed request is no error', async () => {
    typing.start('c');
    context.asked[0]?.answer.reject(new Error('lost'));
    await Promise.resolve();
    expect(context.reported).toEqual([]);
  });
});

describe('the indicators of others', () => {
  test('are listed in the order in which they started, without the own one', () => {
    bob(true, 'carol');
    bob(true);
    bob(true, 'carol');
    bob(true, 'alice');
    expect(typing.in('c')).toEqual(['carol', 'bob']);
    bob(false, 'carol');
    expect(typing.in('c')).toEqual(['bob']);
    expect(typing.in('other')).toEqual([]);
  });

  test('expire if the end is lost', () => {
    bob(true);
    context.clock.advance(5_999);
    expect(typing.in('c')).toEqual(['bob']);
    bob(true);
    context.clock.advance(5_999);
    expect(typing.in('c')).toEqual(['bob']);
    context.clock.advance(1);
    expect(typing.in('c')).toEqual([]);
    expect(context.clock.pending).toBe(0);
  });

  test('end with the connection', () => {
    bob(true);
    typing.connectionLost();
    expect(typing.in('c')).toEqual([]);
    expect(context.clock.pending).toBe(0);
  });

  test('notify subscribers of changes only', () => {
    let told = 0;
    const room = typing.observe('c');
    room.subscribe(() => (told += 1));
    bob(false);
    bob(true);
    const snapshot = room.getSnapshot();
    bob(true);
    expect(room.getSnapshot()).toBe(snapshot);
    expect(Object.isFrozen(snapshot)).toBe(true);
    bob(false);
    expect(told).toBe(2);
  });
});
