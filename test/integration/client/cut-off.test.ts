import { expect, test } from 'vitest';
import type { CommClientOptions, ConversationView, Message } from '../../../src/index.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { until, type App } from '../../helpers/client/app.ts';
import { slowFetch } from '../../helpers/client/slow-fetch.ts';
import { direct, sendNumbers, startWorld } from '../../helpers/client/world.ts';

/** More than what is caught up change by change. */
const TOO_MUCH = LIMITS.catchUpChanges + 10;
const HELD = 200;

interface Absence {
  alice: App;
  bob: App;
  conversationId: string;
  view: ConversationView;
  /** Messages 1 to 200. */
  sent: Message[];
}

/** Bob looks at 200 messages of Alice. */
async function setUp(options: CommClientOptions = {}): Promise<Absence> {
  const { join } = await startWorld();
  const [alice, bob] = await Promise.all([join('alice'), join('bob', options)]);
  const conversationId = await direct(alice, bob);
  const sent = await sendNumbers(alice, conversationId, 1, HELD);
  await bob.next('message:new', ({ seq }) => seq === HELD);
  const view = bob.client.conversations.open(conversationId);
  await view.ready;
  return { alice, bob, conversationId, view, sent };
}

/** While Bob is away the messages at these places are deleted, those after them edited, and a lot is said. */
async function missTooMuch({ alice, bob, conversationId, sent }: Absence, ...places: number[]): Promise<void> {
  bob.port.unplug();
  for (const place of places) {
    await alice.client.messages.delete({ conversationId, messageId: sent[place - 1]?.id ?? '' });
    await alice.client.messages.edit({ conversationId, messageId: sent[place]?.id ?? '', content: 'edited' });
  }
  await sendNumbers(alice, conversationId, HELD + 1, HELD + TOO_MUCH);
  bob.port.plug();
}

const at = (view: ConversationView, seq: number): string | undefined =>
  view.getSnapshot().messages.find((each) => each.seq === seq)?.content;
const seqs = (view: ConversationView): number[] => view.getSnapshot().messages.map(({ seq = 0 }) => seq);
const isInStep = ({ messages, loading }: ReturnType<ConversationView['getSnapshot']>): boolean =>
  messages.length > 0 && !loading;

test('scrolling up after a long absence does not show deleted and edited messages in their old state', async () => {
  const absence = await setUp();
  const { bob, view } = absence;
  while (view.getSnapshot().hasOlder) await view.loadOlder();
  await missTooMuch(absence, 20, 199);
  await bob.reconnected();
  await until(view, ({ messages }) => messages.at(-1)?.seq === HELD + TOO_MUCH);
  while (view.getSnapshot().hasOlder) await view.loadOlder();
  expect(seqs(view)).toEqual(Array.from({ length: HELD + TOO_MUCH }, (_, index) => index + 1));
  expect([20, 21, 199, 200].map((seq) => at(view, seq))).toEqual(['', 'edited', '', 'edited']);
});

test('a scrolled-up view shows deletions and edits of a long absence after the reload', async () => {
  const absence = await setUp();
  const { bob, view, sent } = absence;
  await view.jumpTo(sent[20]?.id ?? '');
  const held = seqs(view);
  const beside = view.getSnapshot().messages.find(({ seq }) => seq === 30);
  await missTooMuch(absence, 21);
  await bob.reconnected();
  await until(view, (snapshot) => isInStep(snapshot) && at(view, 21) === '');
  expect(at(view, 22)).toBe('edited');
  // The position is kept, and unchanged messages are the same objects.
  expect(seqs(view).slice(0, held.length)).toEqual(held);
  expect(view.getSnapshot().messages.find(({ seq }) => seq === 30)).toBe(beside);
  expect(view.getSnapshot()).toMatchObject({ hasOlder: false, hasNewer: true });
  while (view.getSnapshot().hasNewer) await view.loadNewer();
  expect(seqs(view).at(-1)).toBe(HELD + TOO_MUCH);
});

test('jumping to a message that was loaded before a long absence shows its current state', async () => {
  const absence = await setUp();
  const { bob, view, sent } = absence;
  await missTooMuch(absence, 180);
  await bob.reconnected();
  await view.jumpTo(sent[179]?.id ?? '');
  expect([180, 181].map((seq) => at(view, seq))).toEqual(['', 'edited']);
});

test('a page that was requested before a long absence is requested again after it', async () => {
  const slow = slowFetch();
  const absence = await setUp({ fetch: slow.fetch });
  const { bob, view, sent } = absence;
  const page = slow.hold(/around=/);
  const jump = view.jumpTo(sent[20]?.id ?? '');
  await page.arrived;
  await missTooMuch(absence, 21);
  await bob.reconnected();
  await until(view, ({ messages }) => messages.at(-1)?.seq === HELD + TOO_MUCH);
  page.release();
  await jump;
  expect([21, 22].map((seq) => at(view, seq))).toEqual(['', 'edited']);
});

test('a failed reload is retried, and no messages are appended meanwhile', async () => {
  let isBroken = false;
  let refused = 0;
  const failing: typeof fetch = async (input, init) => {
    if (!isBroken || !(input as string).includes('around=')) return fetch(input, init);
    refused += 1;
    return new Response('{}', { status: 503 });
  };
  const absence = await setUp({ fetch: failing });
  const { bob, view, sent } = absence;
  await view.jumpTo(sent[20]?.id ?? '');
  isBroken = true;
  await missTooMuch(absence, 21);
  await bob.reconnected();
  await until(view, ({ error }) => error?.code === 'UNAVAILABLE');
  await expect(view.loadOlder()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(refused).toBeGreaterThan(0);
  isBroken = false;
  await until(view, ({ error }) => error === undefined && at(view, 21) === '');
  expect(at(view, 22)).toBe('edited');
});
