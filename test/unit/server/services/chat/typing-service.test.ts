import { beforeEach, expect, test } from 'vitest';
import { TypingService } from '../../../../../src/server/services/chat/typing-service.ts';
import type { Caller } from '../../../../../src/server/services/ports.ts';
import { notFound } from '../../../../../src/server/services/errors.ts';
import { CommunicationStore } from '../../../../../src/server/cluster/memory-ephemera.ts';
import { manualClock, type ManualClock } from '../../../../helpers/manual-clock.ts';

const TIMEOUT_MS = 5_000;
const ada: Caller = { userId: 'ada', socketId: 'phone', caps: new Set() };
const laptop: Caller = { ...ada, socketId: 'laptop' };
const c = { conversationId: 'c' };

let clock: ManualClock;
let told: string[];
let looked: number;
let typing: TypingService;

beforeEach(() => {
  clock = manualClock();
  told = [];
  looked = 0;
  typing = new TypingService({
    clock,
    ephemera: new CommunicationStore(clock),
    config: { typingTimeoutMs: TIMEOUT_MS },
    broadcaster: {
      toConversation(conversationId, push, options) {
        if (push.event !== 'typing:update') return;
        const { userId, isTyping } = push.data;
        told.push(
          `${conversationId} without ${String(options?.exceptUserId)}: ${userId} ${isTyping ? 'types' : 'stops'}`,
        );
      },
    },
    async requireMember(userId) {
      looked += 1;
      if (userId !== 'ada') await Promise.reject(notFound());
      return [];
    },
  });
});

const TYPES = 'c without ada: ada types';
const STOPS = 'c without ada: ada stops';

test('starting is pushed to the others, and again at intervals', async () => {
  for (let key = 0; key < 10; key += 1) {
    await typing.start(ada, c);
    clock.advance(TIMEOUT_MS / 8);
  }
  expect(told).toEqual([TYPES, TYPES, TYPES]);
});

test('a renewal needs no membership query', async () => {
  for (let key = 0; key < 10; key += 1) await typing.start(ada, c);
  expect(looked).toBe(1);
});

test("typing ends when it isn't renewed", async () => {
  await typing.start(ada, c);
  clock.advance(TIMEOUT_MS - 1);
  await typing.start(ada, c);
  clock.advance(TIMEOUT_MS - 1);
  expect(told).toEqual([TYPES, TYPES]);
  clock.advance(1);
  expect(told).toEqual([TYPES, TYPES, STOPS]);
});

test('stopping is pushed once, and only if the user was typing', async () => {
  await typing.stop(ada, c);
  await typing.start(ada, c);
  await typing.stop(ada, c);
  typing.ended('ada', 'c');
  expect(told).toEqual([TYPES, STOPS]);
  clock.advance(TIMEOUT_MS);
  expect(told).toEqual([TYPES, STOPS]);
});

test('typing ends when the typing device disconnects, not when another one does', async () => {
  await typing.start(ada, c);
  await typing.start(ada, { conversationId: 'd' });
  typing.disconnected(laptop);
  expect(told).toHaveLength(2);
  typing.disconnected(ada);
  expect(told.slice(2)).toEqual([STOPS, 'd without ada: ada stops']);
  expect(clock.pending).toBe(0);
});

test('starting right after stopping is pushed', async () => {
  await typing.start(ada, c);
  await typing.stop(ada, c);
  await typing.start(ada, c);
  expect(told).toEqual([TYPES, STOPS, TYPES]);
});

test('typing requires membership', async () => {
  const mallory: Caller = { ...ada, userId: 'mallory' };
  await expect(typing.start(mallory, c)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(typing.stop(mallory, c)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(told).toEqual([]);
});
