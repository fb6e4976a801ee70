import { beforeEach, expect, test } from 'vitest';
import { sendBatcher, type SendBatcher } from '../../../../src/client/outbox/send-batcher.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import type { Batch } from '../../../../src/protocol/events.ts';
import type { SendMessage } from '../../../../src/protocol/messages.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';

let context: FakeContext;
let batcher: SendBatcher;
let send: (content: string) => Promise<unknown>;
beforeEach(() => {
  context = fakeContext();
  batcher = sendBatcher(context);
  send = (content) => {
    const sending = batcher.send({ conversationId: 'c', content, type: 'text' });
    sending.catch(() => undefined);
    return sending;
  };
});

const contentOf = (payload: unknown): string => (payload as SendMessage).content;

/** The frames so far: the content of a single message, or the number of messages in a batch. */
const frames = (): (string | number)[] =>
  context.asked.map(({ name, payload }) =>
    name === 'batch' ? (payload as Batch).requests.length : contentOf(payload),
  );

test('a single message is sent as if there were no batches', async () => {
  const sending = send('hello');
  await settle();
  expect(frames()).toEqual(['hello']);
  context.asked[0]?.answer.resolve('stored');
  expect(await sending).toBe('stored');
});

test('what waits can be sent before the end of the turn, and is sent once', async () => {
  void send('one');
  void send('two');
  batcher.flush();
  expect(frames()).toEqual([2]);
  await settle();
  expect(frames()).toEqual([2]);
});

test('messages that are sent in one turn share a frame, and none waits for an answer', async () => {
  void send('1');
  void send('2');
  void send('3');
  await settle();
  void send('4');
  await settle();
  expect(frames()).toEqual([3, '4']);
});

test('each message gets its own reply', async () => {
  const sending = [send('1'), send('2')];
  await settle();
  const error = { code: 'RATE_LIMITED', message: 'Slow down', retryAfterMs: 7 };
  context.asked[0]?.answer.resolve([
    { ok: true, data: 'one' },
    { ok: false, error },
  ]);
  const [first, second] = await Promise.allSettled(sending);
  expect(first).toEqual({ status: 'fulfilled', value: 'one' });
  expect(second).toMatchObject({ reason: { code: 'RATE_LIMITED', retryAfterMs: 7 } });
});

test('a message is completed from its request if the reply lacks what is the same', async () => {
  context.user = 'ada';
  const sending = [send('1'), send('2')];
  await settle();
  expect(context.asked[0]?.payload).toMatchObject({ brief: true });
  const stored = { id: '8', content: 'two', metadata: {} };
  context.asked[0]?.answer.resolve([
    { ok: true, data: { id: '7', createdAt: 'now', seq: 1, rev: 2 } },
    { ok: true, data: stored },
  ]);
  expect(await Promise.all(sending)).toEqual([
    { id: '7', conversationId: 'c', senderId: 'ada', content: '1', type: 'text', createdAt: 'now', seq: 1, rev: 2 },
    stored,
  ]);
});

test.each([
  ['too few replies', [{ ok: true, data: 'one' }]],
  ['no list', undefined],
])('a response with %s rejects all messages of the batch', async (_what, response) => {
  const sending = [send('1'), send('2')];
  await settle();
  context.asked[0]?.answer.resolve(response);
  for (const result of await Promise.allSettled(sending)) {
    expect(result).toMatchObject({ reason: { message: expect.stringContaining('response to batch') as unknown } });
  }
});

test('the error of a batch is that of each of its messages', async () => {
  const sending = [send('1'), send('2')];
  await settle();
  context.asked[0]?.answer.reject(new CommError('TIMEOUT', 'No answer'));
  for (const result of await Promise.allSettled(sending)) expect(result).toMatchObject({ reason: { code: 'TIMEOUT' } });
});

test.each<[title: string, contents: string[], frames: (string | number)[]]>([
  ['128 messages', Array.from({ length: 257 }, () => 'x'), [128, 128, 'x']],
  ['256 KiB', Array.from({ length: 5 }, () => 'x'.repeat(40_000)), [2, 2, 'x'.repeat(40_000)]],
  ['256 KiB of UTF-8', ['€', '€'].map((char) => char.repeat(45_000)), ['€', '€'].map((char) => char.repeat(45_000))],
  [
    'one message, however large',
    ['x'.repeat(200_000), 'y'.repeat(200_000)],
    ['x'.repeat(200_000), 'y'.repeat(200_000)],
  ],
])('a frame has at most %s', async (_title, contents, expected) => {
  for (const content of contents) void send(content);
  await settle();
  expect(frames()).toEqual(expected);
});
