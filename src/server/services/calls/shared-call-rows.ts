import * as v from 'valibot';
import type { Push } from '../../../protocol/events.ts';
import { toActiveCall } from '../../cluster/call-record.ts';
import {
  bufferedSignals,
  bufferSignal,
  callsInScope,
  callStartedBy,
  liveProcesses,
  storeCallRequest,
  storeSharedCall,
  takeBufferedSignals,
  touchProcess,
  versionsInScope,
  type CallScope,
  type SharedCallRow,
} from '../../store/queries/shared-calls.ts';
import type { Work } from '../../store/engine/work.ts';
import { bufferKey, type CallDraft } from './call-draft.ts';
import { parseRecord } from './call-store.ts';
import { concernedUsers, type CallSnapshot, type ChangedCall, type StoredVersion } from './snapshot-ledger.ts';

/** Time in ms without a heartbeat after which a process counts as ended. */
export const LEASE_MS = 10_000;
/** Time in ms in which the process that has ended a call writes its log message, before another one does. */
export const LOG_MS = 5_000;

const NO_PROCESSES: ReadonlySet<string> = new Set();

/** A scope, and the participant to whom a signal is relayed. */
export interface ChangeScope extends CallScope {
  readonly bufferOf?: { readonly callId: string; readonly toUserId: string } | undefined;
}

/** Reads the calls of a scope. */
export function* readSnapshot(scope: ChangeScope, now: number): Work<CallSnapshot> {
  const { request, bufferOf } = scope;
  const rows = yield* callsInScope(scope);
  return {
    calls: recordsOf(rows),
    versions: new Map(rows.map(({ id, version }) => [id, version])),
    startedBy: request?.clientId === undefined ? undefined : yield* callStartedBy(request.userId, request.clientId),
    buffered: bufferOf && (yield* bufferedSignals(bufferOf.callId, bufferOf.toUserId)),
    processes: rows.length === 0 ? NO_PROCESSES : yield* liveProcesses(now - LEASE_MS),
  };
}

/** Parses stored calls. Malformed ones are left out. */
export function recordsOf(rows: readonly SharedCallRow[]): ReadonlyMap<string, StoredVersion> {
  const calls = new Map<string, StoredVersion>();
  for (const { id, state, version } of rows) {
    const record = parseRecord(state);
    if (record !== undefined) calls.set(id, { record, version });
  }
  return calls;
}

/**
 * Stores a draft.
 *
 * @param scope - which calls must be as they were read; `undefined` if they are locked
 * @returns the signals of the emptied buffers; `undefined` if nothing was stored, because the calls have changed
 */
export function* writeDraft(
  draft: CallDraft,
  now: number,
  scope?: CallScope,
): Work<ReadonlyMap<string, readonly Push[]> | undefined> {
  const { ledger, snapshot, processId } = draft;
  if (scope !== undefined && !isSame(yield* versionsInScope(scope), snapshot.versions)) return undefined;
  for (const changed of ledger.changed) yield* writeCall(changed, now);
  const isSeated = ledger.changed.some(({ record }) => [...concernedUsers(record).values()].includes(processId));
  if (isSeated) yield* touchProcess(processId, now);
  for (const { userId, clientId, callId } of ledger.requests) yield* storeCallRequest(userId, clientId, callId);
  for (const { callId, userId, push } of ledger.signals) yield* bufferSignal(callId, userId, JSON.stringify(push));
  const taken = new Map<string, readonly Push[]>();
  for (const { callId, userId } of ledger.emptied) {
    const key = bufferKey(callId, userId);
    if (!taken.has(key)) taken.set(key, parsePushes(yield* takeBufferedSignals(callId, userId)));
  }
  return taken;
}

function* writeCall({ record, before, dueAt }: ChangedCall, now: number): Work<void> {
  const isEnded = record.state === 'ended';
  const row = { id: record.id, state: JSON.stringify(record), version: (before?.version ?? 0) + 1 };
  const columns = {
    conversationId: record.conversationId,
    running: toActiveCall(record) !== undefined,
    dueAt: isEnded ? now + LOG_MS : dueAt,
    logged: false,
    users: concernedUsers(record),
  };
  if (yield* storeSharedCall(row, columns, new Date(now).toISOString())) return;
  // The versions were compared in this transaction.
  throw new Error('A stored call has an unexpected version');
}

function isSame(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  return one.size === other.size && [...one].every(([id, version]) => other.get(id) === version);
}

const pushSchema = v.custom<Push>(
  (push) => typeof push === 'object' && push !== null && 'event' in push && typeof push.event === 'string',
);

function parsePushes(texts: readonly string[]): readonly Push[] {
  return texts.flatMap((text) => {
    const parsed = v.safeParse(pushSchema, JSON.parse(text));
    return parsed.success ? [parsed.output] : [];
  });
}
