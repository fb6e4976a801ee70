import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import type { Conversation } from '../../src/protocol/conversations.ts';
import type { ErrorBody } from '../../src/protocol/errors.ts';
import type { Message, MessagePage } from '../../src/protocol/messages.ts';
import { inboxText, seenMessage } from './actor.ts';
import type { ActorReport, SeenConversation, SeenMessage } from './report.ts';
import type { Told } from './told.ts';

interface Row {
  id: number;
  conversation_id: string;
  sender_id: string;
  client_id: string;
  content: string;
  seq: number;
  rev: number;
  deleted_at: string | null;
}

/** What a scenario has stored. */
export interface Stored {
  readonly rows: readonly Row[];
  readonly problems: string[];
}

/** Opens the server's SQLite file directly. The server may be running, and lock the file for a moment. */
export function readDatabase(file: string): Stored {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 60_000 });
  try {
    const rows = db.prepare(ALL_MESSAGES).all() as unknown as Row[];
    const problems = INVARIANTS.flatMap(([what, sql]) => describeViolations(what, db.prepare(sql).all()));
    return { rows, problems: [...integrity(db), ...problems] };
  } finally {
    db.close();
  }
}

/** Checks the integrity of the SQLite file. */
function integrity(db: DatabaseSync): string[] {
  const results = db
    .prepare('pragma integrity_check')
    .all()
    .map((row) => String(row['integrity_check']));
  const orphans = db.prepare('pragma foreign_key_check').all();
  const problems = results.filter((result) => result !== 'ok');
  if (orphans.length > 0) problems.push(`${orphans.length} rows point nowhere`);
  return problems;
}

/** Selects the stored messages. The SQL of this file is that of SQLite and of Postgres. */
const ALL_MESSAGES = 'select * from messages order by conversation_id, seq';

/** Invariants between tables that a partial transaction would violate, with the SQL that finds violations. */
const INVARIANTS: readonly [what: string, sql: string][] = [
  [
    'seq has a hole or repeats',
    `select conversation_id from messages group by conversation_id
       having count(*) <> max(seq) or count(distinct seq) <> count(*) or min(seq) <> 1`,
  ],
  [
    'seq of the conversation is not that of its last message',
    `select id from conversations as c
       where seq <> (select coalesce(max(seq), 0) from messages where conversation_id = c.id)`,
  ],
  [
    'a message has a rev beyond its conversation',
    `select m.id from messages as m
       join conversations as c on c.id = m.conversation_id where m.rev > c.rev or m.rev is null`,
  ],
  [
    'two messages have one rev',
    `select conversation_id from messages group by conversation_id, rev having count(*) > 1`,
  ],
  [
    'a client id is stored twice',
    `select client_id from messages where client_id is not null
       group by sender_id, client_id having count(*) > 1`,
  ],
  [
    'a mark is beyond the last message',
    `select p.user_id from conversation_participants as p
       join conversations as c on c.id = p.conversation_id where p.last_read_seq > c.seq or p.last_delivered_seq > c.seq`,
  ],
  [
    'a read position is after the delivery position',
    `select user_id from conversation_participants
       where last_read_seq > last_delivered_seq`,
  ],
  [
    'a thread has another number of replies than its root says',
    `select t.root_id from comm_threads as t join messages as r on r.id = t.root_id
       where t.live <> (select count(*) from messages as m
         where m.thread_id = coalesce(r.public_id, cast(r.id as text)) and m.deleted_at is null)`,
  ],
  ['a deleted message is pinned', `select id from messages where deleted_at is not null and pinned_at is not null`],
  ['a deleted message has its text', `select id from messages where deleted_at is not null and content <> ''`],
  [
    'a deleted message has reactions',
    `select m.id from messages as m
       join message_reactions as r on r.message_id = m.id where m.deleted_at is not null`,
  ],
];

/** Reads and checks a database in Postgres. @param query - runs SQL and returns the rows with the values that SQLite returns */
export async function readPostgres(query: (sql: string) => Promise<readonly unknown[]>): Promise<Stored> {
  const rows = (await query(ALL_MESSAGES)) as Row[];
  const problems: string[] = [];
  for (const [what, sql] of INVARIANTS) problems.push(...describeViolations(what, await query(sql)));
  return { rows, problems };
}

function describeViolations(what: string, found: readonly unknown[]): string[] {
  return found.length === 0 ? [] : [`${what}: ${JSON.stringify(found.slice(0, 3))}`];
}

/**
 * Checks that each message is stored once, in the order of the device that sent it. Texts are numbered, such as `ann 12`.
 *
 * @param numbersApart - distance of the numbers of two devices
 */
export function checkOrder(rows: readonly Row[], numbersApart: number): string[] {
  const problems: string[] = [];
  const last = new Map<string, number>();
  const texts = new Set<string>();
  for (const row of rows) {
    const text = row.content.split(' edited ')[0] ?? '';
    if (row.deleted_at !== null) continue;
    if (texts.has(text)) problems.push(`"${text}" is stored twice`);
    texts.add(text);
    const number = Number(text.split(' ')[1]);
    const key = `${row.conversation_id} ${row.sender_id} ${Math.floor(number / numbersApart)}`;
    const before = last.get(key) ?? -1;
    if (number <= before) problems.push(`"${text}" comes after ${before} in ${row.conversation_id}`);
    last.set(key, number);
  }
  return problems;
}

export function checkAcknowledged(rows: readonly Row[], { acked, failures }: ActorReport, who: string): string[] {
  const byId = new Map(rows.map((row) => [String(row.id), row]));
  const problems = failures.map((failure) => `${who}: ${failure}`);
  for (const { id, rev = 0, deleted } of acked) {
    const row = byId.get(id);
    if (row === undefined) problems.push(`${who}: ${id} was acknowledged and is gone`);
    else if (row.rev < rev) problems.push(`${who}: ${id} was acknowledged at ${rev} and is at ${row.rev}`);
    else if (deleted === true && row.deleted_at === null) problems.push(`${who}: the deletion of ${id} is lost`);
  }
  return problems;
}

/** Checks that one life of a client emits no change twice, no `message:new` twice, and no later change before an earlier one. */
export function checkTold({ toldTwice, outOfOrder, createdTold }: Told, who: string): string[] {
  const often = Object.entries(createdTold).filter(([, count]) => count > 1);
  return [
    ...toldTwice.map((key) => `${who}: told twice of ${key}`),
    ...outOfOrder.map((key) => `${who}: told out of order of ${key}`),
    ...often.map(([id, count]) => `${who}: message:new ${count} times for ${id}`),
  ];
}

/**
 * Checks that a client connected since the first message has emitted every message and its current state. With several
 * lives, each continues at the cursor that the previous one last stored, so an event may occur in any or several of them.
 */
export function checkComplete(rows: readonly Row[], lives: readonly Told[], who: string): string[] {
  const problems: string[] = [];
  for (const { id, rev } of rows) {
    const key = String(id);
    const isKnown = lives.some(({ createdTold, buried }) => key in createdTold || buried.includes(key));
    if (!isKnown) problems.push(`${who}: never told of ${key}`);
    const last = Math.max(...lives.map(({ lastTold }) => lastTold[key] ?? 0));
    if (last !== rev) problems.push(`${who}: last told of ${key} at ${last}, it is at ${rev}`);
  }
  return problems;
}

/** The server's current answers to a user. */
export class Truth {
  /** The main timelines. */
  readonly messages = new Map<string, SeenMessage[]>();
  /** The replies, by the id of the root. */
  readonly threads = new Map<string, SeenMessage[]>();
  readonly pins = new Map<string, string[]>();
  readonly names: Record<string, string> = {};
  /** In the order of the server's list. */
  readonly conversations = new Map<string, string>();

  static async of(url: string, userId: string): Promise<Truth> {
    const truth = new Truth();
    const ask = async (path: string): Promise<unknown> => {
      const response = await fetch(`${url}/__nk_comm${path}`, { headers: { 'x-user-id': userId } });
      // Views that take long to become equal are compared so often that the user's budget is used up. Refusals cost, too.
      if (response.status === 429) {
        const { error } = (await response.json()) as { error: ErrorBody };
        await pause(Math.max(error.retryAfterMs ?? 0, 1_000));
        return await ask(path);
      }
      if (!response.ok) throw new Error(`${path} answered ${response.status}`);
      return await response.json();
    };
    for (const conversation of (await ask('/conversations?limit=200')) as Conversation[]) {
      truth.conversations.set(conversation.id, inboxText(conversation));
      for (const { userId: id, displayName } of conversation.participants) truth.names[id] = displayName;
    }
    for (const id of truth.conversations.keys()) {
      const messages: Message[] = [];
      for (let before = ''; ; before = `&before=${messages.at(-1)?.id ?? ''}`) {
        const page = (await ask(`/conversations/${id}/messages?limit=200${before}`)) as Message[];
        messages.push(...page);
        if (page.length < 200) break;
      }
      truth.#sort(id, messages.reverse());
      const { messages: pinned } = (await ask(`/conversations/${id}/pinned?limit=100`)) as MessagePage;
      truth.pins.set(
        id,
        pinned.map((message) => message.id),
      );
    }
    return truth;
  }

  #sort(id: string, messages: readonly Message[]): void {
    const isMain = ({ threadId, alsoInConversation }: Message): boolean =>
      threadId === undefined || alsoInConversation === true;
    this.messages.set(id, messages.filter(isMain).map(seenMessage));
    for (const message of messages) {
      if (message.threadId === undefined) continue;
      const replies = this.threads.get(message.threadId) ?? [];
      this.threads.set(message.threadId, [...replies, seenMessage(message)]);
    }
  }
}

/**
 * Lists the first differences between the views of a device and the stored data.
 *
 * @param who - the user of the device
 * @param whole - every message and thread has been loaded
 */
export function compare(truth: Truth, report: ActorReport, who: string, whole: boolean, club?: Club): string[] {
  const problems: string[] = [];
  if (report.outbox > 0) problems.push(`${who}: ${report.outbox} still wait to be sent`);
  for (const [id, stored] of truth.messages) {
    const view = report.views[id];
    if (view === undefined) {
      problems.push(`${who}: no view of ${id}`);
      continue;
    }
    const { messages, hasNewer, loading, error } = view;
    const expected = whole ? stored : stored.slice(-messages.length);
    if (hasNewer || loading || error !== undefined) {
      problems.push(`${who} ${id}: hasNewer ${hasNewer}, loading ${loading}, error ${String(error)}`);
    }
    if (messages.length < Math.min(stored.length, 50) || (whole && messages.length !== stored.length)) {
      problems.push(`${who} ${id}: shows ${messages.length} of ${stored.length}`);
    }
    const waiting = stored.filter(({ senderId, status, deleted }) => senderId === who && status === 'sent' && !deleted);
    if (waiting.length > 0) problems.push(`${who} ${id}: ${waiting.length} are delivered to no recipient`);
    problems.push(...differences(messages, expected, { who, where: id, leavers: club?.id === id ? club.leavers : [] }));
  }
  if (whole) problems.push(...compareRest(truth, report, who, club));
  for (const [id, expected] of truth.conversations) {
    const shown = report.inbox.find((each) => each.id === id)?.text;
    if (shown !== expected) problems.push(`${who} inbox ${id}: ${String(shown)} for ${expected}`);
  }
  const order = report.inbox.map(({ id }) => id).join(' ');
  if (order !== [...truth.conversations.keys()].join(' ')) {
    problems.push(`${who}: the inbox is in another order, ${JSON.stringify(report.inboxLoad)}`);
  }
  return problems;
}

/** The conversation that some users leave and enter again. */
export interface Club {
  id: string;
  leavers: readonly string[];
}

/** Compares threads, pinned messages and names. */
function compareRest(truth: Truth, report: ActorReport, who: string, club: Club | undefined): string[] {
  const problems: string[] = [];
  const none: SeenConversation = { messages: [], hasNewer: false, hasOlder: false, loading: false, error: 'not open' };
  for (const [id, stored] of truth.threads) {
    const { messages, hasNewer, hasOlder, loading, error } = report.threads[id] ?? none;
    if (hasNewer || hasOlder || loading || error !== undefined || messages.length !== stored.length) {
      const state = JSON.stringify({ hasNewer, hasOlder, loading, error });
      problems.push(`${who} thread ${id}: shows ${messages.length} of ${stored.length}, ${state}`);
    }
    const isInClub = truth.messages.get(club?.id ?? '')?.some((root) => root.id === id) === true;
    const leavers = isInClub ? (club?.leavers ?? []) : [];
    problems.push(...differences(messages, stored, { who, where: `thread ${id}`, leavers }));
  }
  for (const [id, pins] of truth.pins) {
    const shown = report.pins[id]?.join(' ');
    if (shown !== pins.join(' ')) problems.push(`${who} ${id}: pinned ${String(shown)} for ${pins.join(' ')}`);
  }
  for (const [id, name] of Object.entries(truth.names)) {
    if (report.names[id] !== name) problems.push(`${who}: ${id} is ${String(report.names[id])} for ${name}`);
  }
  return problems;
}

function differences(
  shown: readonly SeenMessage[],
  expected: readonly SeenMessage[],
  { who, where, leavers }: { who: string; where: string; leavers: readonly string[] },
): string[] {
  const plain = (message: SeenMessage | undefined): string => text(message, who, leavers);
  const at = expected.findIndex((message, index) => plain(message) !== plain(shown[index]));
  return at < 0 ? [] : [`${who} ${where}: shows ${JSON.stringify(shown[at])} for ${JSON.stringify(expected[at])}`];
}

/**
 * The status of a message is only pushed to its sender, and never for deleted messages. Where users leave, the server forgets
 * what they have read, and everything before their return counts as read; clients show this when the page is loaded again.
 */
function text(message: SeenMessage | undefined, who: string, leavers: readonly string[]): string {
  if (message === undefined) return '';
  const isTold = message.senderId === who && !message.deleted && leavers.length === 0;
  const readBy = message.readBy.split(',').filter((reader) => reader !== '' && !leavers.includes(reader));
  return JSON.stringify({ ...message, readBy, ...(!isTold && { status: undefined }) });
}
