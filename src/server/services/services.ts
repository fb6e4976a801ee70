import { errorFields } from '../../lib/logger.ts';
import type { CommunicationStore } from '../store/ephemera/memory.ts';
import { memberIds, membershipOf } from '../store/members.ts';
import type { Store } from '../store/store.ts';
import { callLog } from './call-effects.ts';
import type { CallHub } from './call-table.ts';
import { CallService } from './calls.ts';
import { createChatServices, type ChatServices } from './chat-services.ts';
import { isoNow, type ServiceDeps } from './deps.ts';
import { KeyLimits } from './key-limits.ts';
import { KeyService } from './keys.ts';
import { MailboxService } from './mailbox.ts';
import type { Hub } from './ports.ts';
import { PresenceService, type PresenceHub } from './presence.ts';
import { KeyedLimit, SlidingWindow } from './rate-limit.ts';
import { notFound } from './refusals.ts';
import { SignalService } from './signals.ts';
import { TypingService } from './typing.ts';

/** Everything the server can do, whoever asks: handlers and routes call nothing else. */
export interface Services extends ChatServices {
  readonly presence: PresenceService;
  readonly typing: TypingService;
  readonly calls: CallService;
  readonly signals: SignalService;
  readonly keys: KeyService;
  readonly mailbox: MailboxService;
  /** Absent where the configuration sets none. */
  readonly sendLimit: KeyedLimit | undefined;
  /** The server's time, as it is on the wire. */
  now(): string;
}

export interface EveryHub extends Hub, PresenceHub, CallHub {
  onRemoval(listener: (userId: string, conversationId: string) => void): void;
}

export interface EveryDep extends ServiceDeps {
  readonly hub: EveryHub;
  readonly ephemera: CommunicationStore;
  readonly newId: () => string;
}

export function createServices(deps: EveryDep): Services {
  const { store, hub, clock, config, logger, ephemera, newId } = deps;
  let sendLimit: KeyedLimit | undefined;
  const chat = createChatServices(deps);
  const calls = new CallService({
    ephemera,
    hub,
    clock,
    config,
    newId,
    membersFor: (userId, conversationId) => membersFor(store, userId, conversationId),
    log: (call) => {
      chat.sending
        .appendServerMessage(callLog(call))
        .catch((error: unknown) => logger.error('a call left no row', { callId: call.id, ...errorFields(error) }));
    },
  });
  const keyLimits = new KeyLimits(clock);
  const services: Services = {
    ...chat,
    calls,
    presence: new PresenceService({ store, ephemera, hub, clock, config, logger }),
    typing: new TypingService({
      ephemera,
      hub,
      clock,
      config,
      requireMember: (userId, conversationId) => requireMember(store, userId, conversationId),
    }),
    signals: new SignalService({ calls, hub, clock }),
    keys: new KeyService({ store, hub, clock, logger, limits: keyLimits }),
    mailbox: new MailboxService({ store, hub, clock, logger, limits: keyLimits }),
    get sendLimit() {
      const { rateLimit } = config;
      sendLimit ??=
        rateLimit &&
        new KeyedLimit(
          () => new SlidingWindow(rateLimit),
          () => clock.now(),
        );
      return sendLimit;
    },
    now: () => isoNow(clock),
  };
  hub.onRemoval((userId, conversationId) => {
    services.typing.ended(userId, conversationId);
    services.calls.lost(userId, conversationId);
    services.presence.lost(userId);
  });
  return services;
}

async function requireMember(store: Store, userId: string, conversationId: string): Promise<void> {
  const membership = await store.read(() => membershipOf(conversationId, userId));
  if (membership === undefined) throw notFound();
}

async function membersFor(store: Store, userId: string, conversationId: string): Promise<readonly string[]> {
  return await store.read(function* () {
    if ((yield* membershipOf(conversationId, userId)) === undefined) throw notFound();
    return yield* memberIds(conversationId);
  });
}
