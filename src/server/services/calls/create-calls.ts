import { errorFields, type Logger } from '../../../lib/logger.ts';
import type { Clock } from '../../../lib/clock.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { Message } from '../../../protocol/messages.ts';
import type { CallRecord } from '../../cluster/call-record.ts';
import type { Ephemera } from '../../cluster/ephemera.ts';
import type { CommunicationStore } from '../../cluster/memory-ephemera.ts';
import { conversationIdsOf } from '../../store/queries/users.ts';
import { markCallLogged } from '../../store/queries/shared-calls.ts';
import { CALLS_WRITE } from '../../store/write-keys.ts';
import type { Store } from '../../store/store.ts';
import type { ServerMessage } from '../chat/send-service.ts';
import type { Broadcaster, ProcessBroadcaster } from '../ports.ts';
import { ActiveCalls, type RunningCallPushes } from './active-calls.ts';
import { callLog } from './call-effects.ts';
import { CALL_RETENTION_MS } from './call-requests.ts';
import { CallService, type CallBroadcaster, type CallDeps } from './call-service.ts';
import { CallStore } from './call-store.ts';
import type { Calls } from './calls.ts';
import type { SharedActiveCalls } from './shared-active-calls.ts';
import { SharedCalls } from './shared-calls.ts';

/** Dependencies of {@link createCalls}. */
export interface CreateCallsDeps extends Pick<
  CallDeps,
  'config' | 'budgets' | 'contacts' | 'newId' | 'membersFor' | 'blockersOf'
> {
  store: Store;
  clock: Clock;
  logger: Logger;
  broadcaster: Broadcaster & ProcessBroadcaster & CallBroadcaster;
  ephemera: CommunicationStore;
  shared: Ephemera;
  /** Present if several processes hold the calls together. */
  sharedCalls?: SharedCallsOptions | undefined;
  appendMessage: (message: ServerMessage) => Promise<Message>;
}

/** What calls need to know of the other processes. */
export interface SharedCallsOptions {
  /** Id of this process, never used by another one. */
  readonly processId: string;
  /** Returns whether pushes reach other processes at present. */
  readonly reachesProcesses: () => boolean;
  readonly active: SharedActiveCalls;
}

/** The calls, and what members of conversations see of them. */
export interface CallServices {
  readonly calls: Calls;
  readonly activeCalls: RunningCallPushes;
  /** Called after another process has pushed `call:incoming` to a user with a device here. */
  readonly rangElsewhere: (userId: string, callId: string) => void;
}

/** Constructs the calls: in memory of the process, or as rows that several processes hold together. */
export function createCalls(deps: CreateCallsDeps): CallServices {
  const { sharedCalls } = deps;
  return sharedCalls === undefined ? createOwnCalls(deps) : createSharedCalls(deps, sharedCalls);
}

function createOwnCalls(deps: CreateCallsDeps): CallServices {
  const { store, clock, logger, broadcaster, ephemera } = deps;
  const activeCalls = new ActiveCalls({
    clock,
    broadcaster,
    calls: ephemera,
    conversationIdsOf: (userId) => store.read(() => conversationIdsOf(userId)),
  });
  const callStore = new CallStore({ store, clock, logger });
  const calls = new CallService({
    ...deps,
    store: callStore,
    changed: (call) => {
      callStore.save(call);
      activeCalls.changed(call);
    },
    log: logging(deps, async ({ id }) => {
      callStore.remove(id);
      await callStore.saved(id);
    }),
  });
  return { calls, activeCalls, rangElsewhere: () => undefined };
}

function createSharedCalls(
  deps: CreateCallsDeps,
  { processId, reachesProcesses, active }: SharedCallsOptions,
): CallServices {
  const { store, clock, ephemera, shared } = deps;
  const calls = new SharedCalls({
    ...deps,
    processId,
    reachesProcesses,
    isUserOnline: (userId) => ephemera.isUserOnline(userId),
    devicesElsewhere: (userId) => shared.devicesElsewhere(userId),
    runningCallChanged: (conversationId) => active.changed(conversationId),
    log: logging(deps, ({ id }) => {
      const deletedAt = clock.now() + CALL_RETENTION_MS;
      return store.write(() => markCallLogged(id, deletedAt), undefined, CALLS_WRITE);
    }),
  });
  return { calls, activeCalls: active, rangElsewhere: (userId, callId) => calls.rangElsewhere(userId, callId) };
}

/** Writes the log message of a call, once also if it is repeated. */
function logging(
  { appendMessage, logger }: Pick<CreateCallsDeps, 'appendMessage' | 'logger'>,
  logged: (call: CallRecord) => Promise<void>,
): (call: CallRecord) => void {
  return (call) => {
    appendMessage(callLog(call))
      .catch((error: unknown) => {
        // The app has deleted the conversation.
        if (!isCommError(error) || error.code !== 'NOT_FOUND') throw error;
      })
      .then(() => logged(call))
      .catch((error: unknown) =>
        logger.error('failed to write the call log', { callId: call.id, ...errorFields(error) }),
      );
  };
}
