/** Writes to a Postgres together with other processes, and prints what it was answered and what it pushed, as JSON. */
import pg from 'pg';
import { isCommError } from '../../../src/protocol/errors.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import { caller, startChat } from '../server/chat.ts';

/** What the child does. */
export interface WriterPlan {
  readonly url: string;
  readonly seed: number;
  readonly operations: number;
  readonly conversationIds: readonly string[];
  readonly directIds: readonly string[];
  /** Messages that all processes change. */
  readonly shared: readonly Pick<Message, 'id' | 'conversationId' | 'senderId' | 'seq'>[];
  /** Owner of the groups, who is never removed. */
  readonly owner: string;
  readonly userIds: readonly string[];
}

/** What it has done. */
export interface WriterReport {
  /** Answered messages by sender and client id. */
  readonly sent: readonly (readonly [key: string, id: string, conversationId: string])[];
  /** Client ids that were refused with `CONFLICT`, since they are used elsewhere. */
  readonly conflicts: number;
  /** By conversation, what was pushed to it, in order. */
  readonly pushed: readonly PushedChange[];
  /** Errors that aren't refusals of the protocol. */
  readonly failures: readonly string[];
}
/** A push that has a revision. */
export interface PushedChange {
  readonly event: string;
  readonly conversationId: string;
  readonly rev: number;
  readonly seq?: number | undefined;
  readonly senderId?: string | undefined;
  /** The members after the change. */
  readonly members?: readonly string[] | undefined;
}

const AT_ONCE = 24;

/** mulberry32. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

const plan = JSON.parse(process.argv[2] ?? '') as WriterPlan;
const random = randomOf(plan.seed);
const pick = <T>(list: readonly T[]): T => {
  const picked = list[random(list.length)];
  if (picked === undefined) throw new Error('Nothing to pick');
  return picked;
};
const pool = new pg.Pool({ connectionString: plan.url, max: 8, pipeline: true });
const chat = await startChat({ db: pool });
const sent: [string, string, string][] = [];
const known = [...plan.shared];
const failures: string[] = [];
let conflicts = 0;

async function send(more: { threadId?: string; mentions?: string[] } = {}, conversationId?: string): Promise<void> {
  const userId = pick(plan.userIds);
  // Both processes use the same ids, also for several conversations: each is stored once.
  const clientId = `client id ${random(plan.operations / 4)}`;
  const into = conversationId ?? pick([...plan.conversationIds, ...plan.directIds]);
  try {
    const message = await chat.sending.send(caller(userId), {
      conversationId: into,
      content: `content of ${clientId}`,
      type: 'text',
      clientId,
      ...more,
    });
    sent.push([`${userId} ${clientId}`, message.id, into]);
    known.push(message);
  } catch (error) {
    if (isCommError(error) && error.code === 'CONFLICT') conflicts += 1;
    throw error;
  }
}

type Known = (typeof known)[number];

/** What the processes do, with weights. */
const operations: readonly (readonly [weight: number, run: () => Promise<unknown>])[] = [
  [30, send],
  [5, () => send({ mentions: [pick(plan.userIds)] })],
  [
    20,
    () => {
      const root = pick(plan.shared);
      return send({ threadId: root.id }, root.conversationId);
    },
  ],
  [10, () => change((it) => chat.messages.edit(caller(it.senderId), { ...refOf(it), content: `edit ${random(99)}` }))],
  [
    10,
    () =>
      change((it) =>
        chat.messages.react(caller(pick(plan.userIds)), {
          ...refOf(it),
          emoji: pick(['👍', '🎉']),
          on: random(2) === 0,
        }),
      ),
  ],
  [5, () => change((it) => chat.messages.pin(caller(plan.owner), { ...refOf(it), pinned: random(2) === 0 }))],
  [
    20,
    () =>
      change(({ conversationId, id }) =>
        chat.receipts.read(caller(pick(plan.userIds)), { conversationId, messageId: id }),
      ),
  ],
  [
    10,
    () =>
      change(({ conversationId, seq = 0 }) =>
        chat.receipts.delivered(caller(pick(plan.userIds)), { conversationId, seq }, { isAwaited: true }),
      ),
  ],
  [2, () => change((it) => chat.messages.delete(caller(it.senderId), refOf(it)))],
  [3, () => chat.membership.remove(caller(plan.owner), { ...pickGroup(), userId: pick(plan.userIds) })],
  [4, () => chat.membership.add(caller(plan.owner), { ...pickGroup(), userIds: [pick(plan.userIds)] })],
  [1, () => chat.groups.update(caller(plan.owner), { ...pickGroup(), name: `name ${random(1_000)}` })],
  [
    2,
    () =>
      chat.conversations.create(caller(pick(plan.userIds)), { type: 'direct', participantIds: [pick(plan.userIds)] }),
  ],
];
const weighted = operations.flatMap(([weight, run]) => Array.from({ length: weight }, () => run));

function pickGroup(): { conversationId: string } {
  return { conversationId: pick(plan.conversationIds) };
}

function refOf({ conversationId, id }: Known): { conversationId: string; messageId: string; clientId: string } {
  return { conversationId, messageId: id, clientId: `change ${random(plan.operations / 4)}` };
}

/** Mostly of a message that the other process changes too. */
function change(apply: (message: Known) => Promise<unknown>): Promise<unknown> {
  return apply(pick(random(3) === 0 ? known : plan.shared));
}

let left = plan.operations;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (left > 0) {
      left -= 1;
      try {
        await pick(weighted)();
      } catch (error) {
        if (!isCommError(error)) failures.push(String(error));
        else if (['INTERNAL', 'UNAVAILABLE'].includes(error.code)) failures.push(`${error.code}: ${error.message}`);
      }
    }
  }),
);
await chat.store.drain();
const pushed = chat.broadcaster.pushes.flatMap((push): PushedChange[] => {
  if (!push.to.startsWith('conversation:')) return [];
  if (push.event === 'message:new') {
    const { conversationId, rev = 0, seq, senderId } = push.data;
    return [{ event: push.event, conversationId, rev, seq, senderId }];
  }
  if (push.event === 'message:updated' || push.event === 'message:reaction-update') {
    const { conversationId = '', rev = 0 } = push.data;
    return [{ event: push.event, conversationId, rev }];
  }
  if (push.event === 'conversation:updated') {
    const { id: conversationId, head, participants } = push.data;
    if (head === undefined || participants === undefined) return [];
    return [{ event: push.event, conversationId, rev: head.rev, members: participants.map(({ userId }) => userId) }];
  }
  return [];
});
const report: WriterReport = { sent, conflicts, pushed, failures };
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
