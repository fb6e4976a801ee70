import { expect, test } from 'vitest';
import { lazy } from '../../../../src/lib/lazy.ts';
import { createTypingClient } from '../../../../src/client/presence/typing-client.ts';
import { TypingTracker } from '../../../../src/client/presence/typing-tracker.ts';
import { fakeContext } from '../../../helpers/client/context.ts';

test('does nothing until the tracker has loaded, and uses it from then on', async () => {
  const context = fakeContext();
  const tracker = lazy(() => Promise.resolve(new TypingTracker(context, () => undefined)));
  const typing = createTypingClient(tracker);
  typing.start('c');
  typing.stop('c');
  expect(typing.in('c')).toEqual([]);
  expect(context.asked).toEqual([]);
  const loaded = await tracker();
  loaded.apply({ conversationId: 'c', userId: 'bob', isTyping: true });
  expect(typing.in('c')).toEqual(['bob']);
  typing.start('c');
  typing.stop('c');
  expect(context.asked.map(({ name }) => name)).toEqual(['typing:start', 'typing:stop']);
});

test('an invalid conversation id is a TypeError', () => {
  const typing = createTypingClient(lazy(() => Promise.reject(new Error('not loaded'))));
  expect(() => typing.start('')).toThrow(TypeError);
});
