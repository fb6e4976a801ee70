import { query, statement, type Params } from '../engine/statement.ts';
import { all, first, run, type Work } from '../engine/work.ts';

/** A stored call. */
export interface CallRow {
  readonly id: string;
  /** JSON of the record. */
  readonly state: string;
  readonly version: number;
  readonly seenAt: string;
}

const selectCalls = statement((_p: Params<object>) =>
  query.selectFrom('comm_calls').select(['id', 'state', 'version', 'seen_at as seenAt']).orderBy('id'),
);
const selectShared = statement((_p: Params<object>) =>
  query.selectFrom('comm_calls').select('id').where('conversation_id', 'is not', null).limit(1),
);
const deleteLogged = statement((_p: Params<object>) => query.deleteFrom('comm_calls').where('logged', '=', 1));
const resetShared = statement((_p: Params<object>) =>
  query.updateTable('comm_calls').set({ conversation_id: null, running: 0, due_at: null }),
);
const deleteUsers = statement((_p: Params<object>) => query.deleteFrom('comm_call_users'));
const deleteRequests = statement((_p: Params<object>) => query.deleteFrom('comm_call_requests'));
const deleteSignals = statement((_p: Params<object>) => query.deleteFrom('comm_call_signals'));
const deleteProcesses = statement((_p: Params<object>) => query.deleteFrom('comm_call_processes'));
const insertCall = statement((p: Params<CallRow>) =>
  query
    .insertInto('comm_calls')
    .values({ id: p.id, state: p.state, version: p.version, seen_at: p.seenAt })
    .onConflict((conflict) => conflict.doNothing())
    .returning('version'),
);
const updateCall = statement((p: Params<CallRow & { expected: number }>) =>
  query
    .updateTable('comm_calls')
    .set({ state: p.state, version: p.version, seen_at: p.seenAt })
    .where('id', '=', p.id)
    .where('version', '=', p.expected)
    .returning('version'),
);
const updateSeen = statement((p: Params<{ seenAt: string }>) =>
  query.updateTable('comm_calls').set({ seen_at: p.seenAt }),
);
const deleteRow = statement((p: Params<{ id: string }>) => query.deleteFrom('comm_calls').where('id', '=', p.id));

/** Returns all stored calls. */
export function* storedCalls(): Work<readonly CallRow[]> {
  return yield* all(selectCalls({}));
}

/** Returns whether several processes have held calls together. */
export function* hasSharedCalls(): Work<boolean> {
  return (yield* first(selectShared({}))) !== undefined;
}

/** Makes the calls of several processes those of one. */
export function* unshareCalls(): Work<void> {
  for (const statementOf of [deleteLogged, resetShared, deleteUsers, deleteRequests, deleteSignals, deleteProcesses]) {
    yield* run(statementOf({}));
  }
}

/** Stores a call if its stored version is the one before `version`. @returns whether it was */
export function* storeCall(row: CallRow): Work<boolean> {
  const write = row.version === 1 ? insertCall(row) : updateCall({ ...row, expected: row.version - 1 });
  return (yield* first<{ version: number }>(write)) !== undefined;
}

/** Records that the calls are held by a process. */
export function* touchCalls(seenAt: string): Work<void> {
  yield* run(updateSeen({ seenAt }));
}

/** Deletes a call. */
export function* deleteCall(id: string): Work<void> {
  yield* run(deleteRow({ id }));
}
