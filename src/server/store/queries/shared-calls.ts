import { sql, type RawBuilder } from 'kysely';
import { listed, onlyPostgres, query, statement, type Params } from '../engine/statement.ts';
import { all, first, run, type Work } from '../engine/work.ts';

/** A call that several processes hold together. */
export interface SharedCallRow {
  readonly id: string;
  /** JSON of the record. */
  readonly state: string;
  readonly version: number;
  /** 1: the log message of the ended call is written. */
  readonly logged: number;
}

/** What is stored of a call beside the record, so that it is found. */
export interface SharedCallColumns {
  readonly conversationId: string;
  readonly running: boolean;
  /** In ms since the epoch; `undefined` if nothing has to be done. */
  readonly dueAt: number | undefined;
  readonly logged: boolean;
  /** Users with a seat or a pending invitation, and the process of the seat. */
  readonly users: ReadonlyMap<string, string | undefined>;
}

/** Which calls are read, by any of these. */
export interface CallScope {
  readonly callIds?: readonly string[] | undefined;
  /** Users with a seat or a pending invitation. */
  readonly userIds?: readonly string[] | undefined;
  readonly conversationId?: string | undefined;
  /** The call that a client id of a user has started. */
  readonly request?: { readonly userId: string; readonly clientId: string | undefined } | undefined;
}

interface ScopeParams {
  callIds: string;
  userIds: string;
  conversationId: string | null;
  requester: string | null;
  clientId: string | null;
}

const inScope = (p: Params<ScopeParams>): RawBuilder<unknown> => sql`id in (
  select id from comm_calls where id in ${listed(p.callIds)}
  union select call_id from comm_call_users where user_id in ${listed(p.userIds)}
  union select id from comm_calls where conversation_id = ${p.conversationId}
  union select call_id from comm_call_requests where user_id = ${p.requester} and client_id = ${p.clientId})`;

const selectCalls = statement(
  (p: Params<ScopeParams>) => sql<SharedCallRow>`
    select id, state, version, logged from comm_calls where conversation_id is not null and ${inScope(p)} order by id`,
);
const selectVersions = statement(
  (p: Params<ScopeParams>) => sql<{ id: string; version: number }>`
    select id, version from comm_calls where conversation_id is not null and ${inScope(p)} order by id
    ${onlyPostgres('for update')}`,
);
const selectRequest = statement((p: Params<{ userId: string; clientId: string }>) =>
  query
    .selectFrom('comm_call_requests')
    .select('call_id as callId')
    .where('user_id', '=', p.userId)
    .where('client_id', '=', p.clientId),
);
const insertRequest = statement((p: Params<{ userId: string; clientId: string; callId: string }>) =>
  query
    .insertInto('comm_call_requests')
    .values({ user_id: p.userId, client_id: p.clientId, call_id: p.callId })
    .onConflict((conflict) => conflict.columns(['user_id', 'client_id']).doUpdateSet({ call_id: p.callId })),
);
type Written = Omit<SharedCallColumns, 'users' | 'running' | 'logged' | 'dueAt'> &
  SharedCallRow & { running: number; dueAt: number | null; seenAt: string };
const insertCall = statement((p: Params<Written>) =>
  query
    .insertInto('comm_calls')
    .values({
      id: p.id,
      state: p.state,
      version: p.version,
      seen_at: p.seenAt,
      conversation_id: p.conversationId,
      running: p.running,
      due_at: p.dueAt,
      logged: p.logged,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('version'),
);
const updateCall = statement((p: Params<Written & { expected: number }>) =>
  query
    .updateTable('comm_calls')
    .set({
      state: p.state,
      version: p.version,
      seen_at: p.seenAt,
      conversation_id: p.conversationId,
      running: p.running,
      due_at: p.dueAt,
      logged: p.logged,
    })
    .where('id', '=', p.id)
    .where('version', '=', p.expected)
    .returning('version'),
);
const updateDue = statement((p: Params<{ id: string; dueAt: number | null }>) =>
  query.updateTable('comm_calls').set({ due_at: p.dueAt }).where('id', '=', p.id),
);
const updateLogged = statement((p: Params<{ id: string; dueAt: number }>) =>
  query.updateTable('comm_calls').set({ logged: 1, due_at: p.dueAt }).where('id', '=', p.id).where('logged', '=', 0),
);
const deleteUsers = statement((p: Params<{ callId: string }>) =>
  query.deleteFrom('comm_call_users').where('call_id', '=', p.callId),
);
const insertUser = statement((p: Params<{ callId: string; userId: string; processId: string | null }>) =>
  query.insertInto('comm_call_users').values({ call_id: p.callId, user_id: p.userId, process_id: p.processId }),
);
const deleteRequests = statement((p: Params<{ callId: string }>) =>
  query.deleteFrom('comm_call_requests').where('call_id', '=', p.callId),
);
const deleteSignals = statement((p: Params<{ callId: string }>) =>
  query.deleteFrom('comm_call_signals').where('call_id', '=', p.callId),
);
const deleteCall = statement((p: Params<{ callId: string }>) =>
  query.deleteFrom('comm_calls').where('id', '=', p.callId),
);

const insertSignal = statement((p: Params<{ callId: string; userId: string; push: string }>) =>
  query.insertInto('comm_call_signals').values({ call_id: p.callId, user_id: p.userId, push: p.push }),
);
const takeSignals = statement((p: Params<{ callId: string; userId: string }>) =>
  query
    .deleteFrom('comm_call_signals')
    .where('call_id', '=', p.callId)
    .where('user_id', '=', p.userId)
    .returning(['id', 'push']),
);
const sizeOfSignals = statement(
  (p: Params<{ callId: string; userId: string }>) => sql<SignalsSize>`
    select count(*) as signals, coalesce(sum(length(push)), 0) as characters from comm_call_signals
    where call_id = ${p.callId} and user_id = ${p.userId}`,
);

const selectRunning = statement((p: Params<{ conversationIds: string }>) =>
  query
    .selectFrom('comm_calls')
    .select(['id', 'state', 'version', 'logged'])
    .where('running', '=', 1)
    .where('conversation_id', 'in', listed(p.conversationIds)),
);
const selectRunningOf = statement((p: Params<{ userId: string }>) =>
  query
    .selectFrom('comm_calls')
    .innerJoin('conversation_participants', 'conversation_participants.conversation_id', 'comm_calls.conversation_id')
    .select(['comm_calls.id', 'comm_calls.state', 'comm_calls.version', 'comm_calls.logged'])
    .where('comm_calls.running', '=', 1)
    .where('conversation_participants.user_id', '=', p.userId),
);

const selectNextDue = statement((_p: Params<object>) =>
  query
    .selectFrom('comm_calls')
    .select((each) => each.fn.min('due_at').as('dueAt'))
    .where('due_at', 'is not', null),
);
const selectDue = statement(
  (p: Params<{ now: number; limit: number }>) => sql<SharedCallRow>`
    select id, state, version, logged from comm_calls where due_at <= ${p.now} order by due_at limit ${p.limit}
    ${onlyPostgres('for update skip locked')}`,
);
const selectUnshared = statement(
  (_p: Params<object>) => sql<SharedCallRow & { seenAt: string }>`
    select id, state, version, logged, seen_at as "seenAt" from comm_calls where conversation_id is null
    ${onlyPostgres('for update skip locked')}`,
);

const selectLive = statement((p: Params<{ since: number }>) =>
  query.selectFrom('comm_call_processes').select('id').where('seen_at', '>=', p.since),
);
const selectLost = statement(
  (p: Params<{ since: number }>) => sql<{ id: string }>`
    select distinct process_id as id from comm_call_users where process_id is not null
      and process_id not in (select id from comm_call_processes where seen_at >= ${p.since})`,
);
const selectOfProcess = statement(
  (p: Params<{ processId: string }>) => sql<SharedCallRow>`
    select id, state, version, logged from comm_calls
    where id in (select call_id from comm_call_users where process_id = ${p.processId}) order by id
    ${onlyPostgres('for update')}`,
);
const selectSeen = statement((p: Params<{ id: string }>) =>
  query.selectFrom('comm_call_processes').select('seen_at as seenAt').where('id', '=', p.id),
);
const upsertProcess = statement((p: Params<{ id: string; now: number }>) =>
  query
    .insertInto('comm_call_processes')
    .values({ id: p.id, seen_at: p.now })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ seen_at: p.now })),
);
const deleteOrphans = statement((p: Params<{ processId: string }>) =>
  query
    .deleteFrom('comm_call_users')
    .where('process_id', '=', p.processId)
    .where('call_id', 'not in', query.selectFrom('comm_calls').select('id')),
);
const deleteProcess = statement((p: Params<{ id: string }>) =>
  query.deleteFrom('comm_call_processes').where('id', '=', p.id),
);
const deleteProcesses = statement((p: Params<{ before: number }>) =>
  query.deleteFrom('comm_call_processes').where('seen_at', '<', p.before),
);

function scopeParams({ callIds = [], userIds = [], conversationId, request }: CallScope): ScopeParams {
  return {
    callIds: JSON.stringify(callIds),
    userIds: JSON.stringify(userIds),
    conversationId: conversationId ?? null,
    requester: request?.userId ?? null,
    clientId: request?.clientId ?? null,
  };
}

/** Returns the calls of a scope. */
export function* callsInScope(scope: CallScope): Work<readonly SharedCallRow[]> {
  return yield* all(selectCalls(scopeParams(scope)));
}

/** Locks the calls of a scope and returns their versions. */
export function* versionsInScope(scope: CallScope): Work<ReadonlyMap<string, number>> {
  const rows = yield* all(selectVersions(scopeParams(scope)));
  return new Map(rows.map(({ id, version }) => [id, version]));
}

/** Returns the call that a client id of a user has started. */
export function* callStartedBy(userId: string, clientId: string): Work<string | undefined> {
  return (yield* first(selectRequest({ userId, clientId })))?.callId;
}

/** Records which call a client id of a user has started. */
export function* storeCallRequest(userId: string, clientId: string, callId: string): Work<void> {
  yield* run(insertRequest({ userId, clientId, callId }));
}

/** Stores a call if its stored version is the one before `version`. @returns whether it was */
export function* storeSharedCall(
  { id, state, version }: Pick<SharedCallRow, 'id' | 'state' | 'version'>,
  { conversationId, running, dueAt, logged, users }: SharedCallColumns,
  seenAt: string,
): Work<boolean> {
  const row = {
    id,
    state,
    version,
    seenAt,
    conversationId,
    running: Number(running),
    dueAt: dueAt ?? null,
    logged: Number(logged),
  };
  const write = version === 1 ? insertCall(row) : updateCall({ ...row, expected: version - 1 });
  if ((yield* first<{ version: number }>(write)) === undefined) return false;
  yield* run(deleteUsers({ callId: id }));
  for (const [userId, processId] of users) yield* run(insertUser({ callId: id, userId, processId: processId ?? null }));
  return true;
}

/** Sets when a process has to take care of a call. */
export function* postponeCall(id: string, dueAt: number | undefined): Work<void> {
  yield* run(updateDue({ id, dueAt: dueAt ?? null }));
}

/** Records that the log message of an ended call is written. @param dueAt - when the call is to be deleted */
export function* markCallLogged(id: string, dueAt: number): Work<void> {
  yield* run(updateLogged({ id, dueAt }));
}

/** Deletes a call and what belongs to it. */
export function* deleteSharedCall(callId: string): Work<void> {
  yield* run(deleteUsers({ callId }));
  yield* run(deleteRequests({ callId }));
  yield* run(deleteSignals({ callId }));
  yield* run(deleteCall({ callId }));
}

/** Number and size of buffered signals. */
export interface SignalsSize {
  readonly signals: number;
  readonly characters: number;
}

/** Returns how much is buffered for a participant. */
export function* bufferedSignals(callId: string, userId: string): Work<SignalsSize> {
  return (yield* first(sizeOfSignals({ callId, userId }))) ?? { signals: 0, characters: 0 };
}

/** Buffers a signal for a participant. @param push - JSON */
export function* bufferSignal(callId: string, userId: string, push: string): Work<void> {
  yield* run(insertSignal({ callId, userId, push }));
}

/** Deletes the buffered signals of a participant and returns them as JSON, in the order in which they were buffered. */
export function* takeBufferedSignals(callId: string, userId: string): Work<readonly string[]> {
  const rows = yield* all<{ id: number; push: string }>(takeSignals({ callId, userId }));
  return rows.toSorted((a, b) => a.id - b.id).map(({ push }) => push);
}

/** Returns the running calls of conversations. */
export function* runningCallsIn(conversationIds: readonly string[]): Work<readonly SharedCallRow[]> {
  return yield* all(selectRunning({ conversationIds: JSON.stringify(conversationIds) }));
}

/** Returns the running calls of a user's conversations. */
export function* runningCallsOf(userId: string): Work<readonly SharedCallRow[]> {
  return yield* all(selectRunningOf({ userId }));
}

/** Returns when the next call is due, in ms since the epoch. */
export function* nextDue(): Work<number | undefined> {
  return (yield* first(selectNextDue({})))?.dueAt ?? undefined;
}

/** Claims calls that are due, except those that another process has claimed. */
export function* claimDueCalls(now: number, limit: number): Work<readonly SharedCallRow[]> {
  return yield* all(selectDue({ now, limit }));
}

/** Claims the calls of a process that used the database alone. */
export function* claimUnsharedCalls(): Work<readonly (SharedCallRow & { readonly seenAt: string })[]> {
  return yield* all(selectUnshared({}));
}

/** Returns the processes that have been seen since a time. */
export function* liveProcesses(since: number): Work<ReadonlySet<string>> {
  return new Set((yield* all(selectLive({ since }))).map(({ id }) => id));
}

/** Returns the processes of seats that have not been seen since a time. */
export function* lostProcesses(since: number): Work<readonly string[]> {
  return (yield* all(selectLost({ since }))).map(({ id }) => id);
}

/** Claims the calls with a seat whose device is or was connected to a process. */
export function* claimCallsOfProcess(processId: string): Work<readonly SharedCallRow[]> {
  return yield* all(selectOfProcess({ processId }));
}

/** Returns when a process was last seen; `undefined` if it is unknown. */
export function* processSeenAt(id: string): Work<number | undefined> {
  return (yield* first(selectSeen({ id })))?.seenAt;
}

/** Records that a process is running. */
export function* touchProcess(id: string, now: number): Work<void> {
  yield* run(upsertProcess({ id, now }));
}

/** Deletes a process. */
export function* forgetProcess(id: string): Work<void> {
  yield* run(deleteOrphans({ processId: id }));
  yield* run(deleteProcess({ id }));
}

/** Deletes processes that were not seen since a time. */
export function* forgetProcesses(before: number): Work<void> {
  yield* run(deleteProcesses({ before }));
}
