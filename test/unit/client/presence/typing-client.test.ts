import { beforeEach, describe, expect, test } from 'vitest';
import { TypingClient } from '../../../../src/client/presence/typing-client.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';

let context: FakeContext;
let typing: TypingClient;

beforeEach(() => {
  context = fakeContext();
  typing = new TypingClient(context);
});
const names = (): string[] => context.asked.map(({ name }) => name);
const bob = (isTyping: boolean, userId = 'bob'): void => typing.apply({ conversationId: 'c', userId, isTyping });

describe('one’s own', () => {
  test('is told with the first keystroke, again while it goes on, and ends by itself', () => {
    for (let at = 0; at < 30; at += 1) {
      typing.start('c');
      context.clock.advance(200);
    }
    expect(names()).toEqual(['typing:start', 'typing:start', 'typing:start']);
    context.clock.advance(5_000);
    expect(names().at(-1)).toBe('typing:stop');
    expect(context.clock.pending).toBe(0);
  });

  test('ends when asked to, once', () => {
    typing.start('c');
    typing.stop('c');
    typing.stop('c');
    expect(names()).toEqual(['typing:start', 'typing:stop']);
    expect(context.clock.pending).toBe(0);
  });

  test('ends without a word with a message, and begins anew behind it', () => {
    typing.start('c');
    typing.sent('c');
    expect(context.clock.pending).toBe(0);
    typing.start('c');
    expect(names()).toEqual(['typing:start', 'typing:start']);
  });

  test('follows the time that the server gives', () => {
    typing.configure(1_000);
    typing.start('c');
    context.clock.advance(999);
    expect(names()).toEqual(['typing:start']);
    context.clock.advance(1);
    expect(names()).toEqual(['typing:start', 'typing:stop']);
  });

  test('is not told while offline, and leaves no timer when the line is lost', () => {
    context.line = 'down';
    typing.start('c');
    expect(names()).toEqual([]);
    typing.lineLost();
    expect(context.clock.pending).toBe(0);
    context.line = 'up';
    typing.start('c');
    expect(names()).toEqual(['typing:start']);
  });

  test('that nobody could be told is no error', async () => {
    typing.start('c');
    context.asked[0]?.answer.reject(new Error('lost'));
    await Promise.resolve();
    expect(context.reported).toEqual([]);
  });
});

describe('that of others', () => {
  test('is a list in the order they began, without oneself', () => {
    bob(true, 'carol');
    bob(true);
    bob(true, 'carol');
    bob(true, 'alice');
    expect(typing.in('c')).toEqual(['carol', 'bob']);
    bob(false, 'carol');
    expect(typing.in('c')).toEqual(['bob']);
    expect(typing.in('other')).toEqual([]);
  });

  test('is forgotten when its end gets lost', () => {
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

  test('is forgotten with the line', () => {
    bob(true);
    typing.lineLost();
    expect(typing.in('c')).toEqual([]);
    expect(context.clock.pending).toBe(0);
  });

  test('tells its watchers, and only of changes', () => {
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
