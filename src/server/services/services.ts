import type { Awaitable, Ephemera } from '../cluster/ephemera.ts';
import type { CommunicationStore } from '../cluster/memory-ephemera.ts';
import { relatedAmong, relatedMembers } from '../store/queries/people/blocks.ts';
import { changedRows } from '../store/queries/changes.ts';
import { memberIds, membersAmong, membershipOf } from '../store/queries/members.ts';
import { mapMessages } from '../store/queries/message-mapper.ts';
import type { Head } from '../../protocol/conversations.ts';
import type { Push } from '../../protocol/events.ts';
import type { Store } from '../store/store.ts';
import type { RunningCallPushes } from './calls/active-calls.ts';
import type { CallBroadcaster } from './calls/call-service.ts';
import { createCalls, type SharedCallsOptions } from './calls/create-calls.ts';
import type { Calls } from './calls/calls.ts';
import { createChatServices, type ChatServices } from './chat/chat-services.ts';
import { UserBans } from './moderation/user-bans.ts';
import { ErasureService } from './people/erasure-service.ts';
import { ExportService } from './people/export-service.ts';
import { isoNow, type ServiceDeps } from './service-deps.ts';
import { KeyLimits } from './e2ee/key-limits.ts';
import { KeyService } from './e2ee/key-service.ts';
import { MailboxService } from './e2ee/mailbox-service.ts';
import { FileService, type FileServiceDeps } from './files/file-service.ts';
import { LinkPreviewService } from './links/link-preview-service.ts';
import type { Broadcaster, Caller, PresenceReader } from './ports.ts';
import { BlockService } from './people/block-service.ts';
import { ProfileService, type ProfileBroadcaster } from './people/profile-service.ts';
import { PresenceService, type PresenceBroadcaster } from './presence/presence-service.ts';
import { KeyedLimit, SlidingWindow } from './limits/rate-limit.ts';
import type { UserBudgets } from './limits/user-budgets.ts';
import type { RateLimit } from './limits/server-limits.ts';
import type { MessageRateLimit } from '../config.ts';
import { notFound } from './errors.ts';
import { IceServerService } from './calls/ice-server-service.ts';
import { SignalService } from './calls/signal-service.ts';
import { TypingService } from './chat/typing-service.ts';

/** All services of the server. Handlers and routes call nothing else. */
export interface Services extends ChatServices {
  readonly presence: PresenceService;
  readonly typing: TypingService;
  readonly calls: Calls;
  readonly activeCalls: RunningCallPushes;
  readonly signals: SignalService;
  readonly iceServers: IceServerService;
  readonly keys: KeyService;
  readonly mailbox: MailboxService;
  readonly linkPreviews: LinkPreviewService;
  readonly profiles: ProfileService;
  readonly blocks: BlockService;
  readonly files: FileService;
  readonly userBans: UserBans;
  readonly exports: ExportService;
  readonly erasure: ErasureService;
  readonly budgets: UserBudgets;
  /** Limit on sends per user; `undefined` if none is configured. */
  readonly sendLimit: KeyedLimit | undefined;
  /** Returns the current time as ISO 8601. */
  now(): string;
}

/** The ports of all services. */
export interface ServicesBroadcaster extends Broadcaster, PresenceBroadcaster, CallBroadcaster, ProfileBroadcaster {
  /** Ends the sockets of a user in all processes. */
  disconnectUser(userId: string): void;
  onRemoval(listener: (userId: string, conversationId: string) => void): void;
}

/** Dependencies of all services. */
export interface ServicesDeps extends Omit<ServiceDeps, 'storesFiles' | 'profiles'>, FileServiceDeps {
  readonly broadcaster: ServicesBroadcaster;
  readonly ephemera: CommunicationStore;
  /** What all processes share. */
  readonly shared: Ephemera;
  /** Present if several processes hold the calls together. */
  readonly sharedCalls?: SharedCallsOptions | undefined;
  readonly newId: () => string;
}

/** Constructs the services and connects them. */
export function createServices(deps: ServicesDeps): Services {
  const { store, broadcaster, clock, config, budgets, contacts, logger, ephemera, shared, sharedLimits } = deps;
  let sendLimit: KeyedLimit | undefined;
  const files = new FileService(deps);
  const profiles = new ProfileService(deps);
  const presenceReader = visiblePresence(store, deps.presence);
  const chat = createChatServices({
    ...deps,
    presence: presenceReader,
    profiles,
    storesFiles: () => files.enabled,
  });
  const blocks = new BlockService({
    store,
    broadcaster,
    clock,
    changed: (one, other, isHidden) => {
      services.presence.blockChanged(one, other, isHidden);
      services.typing.blocked(one, other);
    },
  });
  const { calls, activeCalls, rangElsewhere } = createCalls({
    ...deps,
    membersFor: (userId, conversationId) => membersFor(store, userId, conversationId),
    blockersOf: (userId, userIds) => blocks.blockersOf(userId, userIds),
    appendMessage: (message) => chat.sending.appendServerMessage(message),
  });
  const keyLimits = new KeyLimits(clock, sharedLimits);
  const services: Services = {
    ...chat,
    budgets,
    userBans: new UserBans({ store, clock, broadcaster }),
    exports: new ExportService(store),
    erasure: new ErasureService({
      ...chat,
      store,
      broadcaster,
      disconnect: (userId) => {
        broadcaster.disconnectUser(userId);
        broadcaster.toProcesses(userId, { event: 'forget' });
      },
      clearProfile: async (userId) => {
        await profiles.upsert(userId, { displayName: null, avatarUrl: null, metadata: null });
      },
      forget: (userId) => {
        services.presence.forget(userId);
        profiles.forget(userId);
        ephemera.removeKeyBundle(userId);
      },
    }),
    calls,
    activeCalls,
    presence: new PresenceService({ store, ephemera, shared, broadcaster, clock, config, contacts, logger }),
    typing: new TypingService({
      ephemera,
      broadcaster,
      clock,
      config,
      requireMember: (userId, conversationId) => requireTyping(store, userId, conversationId),
    }),
    signals: new SignalService({ calls, clock, sharedLimits }),
    iceServers: new IceServerService({ clock, config }),
    keys: new KeyService({ store, broadcaster, clock, contacts, logger, limits: keyLimits, bundles: ephemera }),
    mailbox: new MailboxService({
      store,
      broadcaster,
      clock,
      logger,
      limits: keyLimits,
      isUserOnline: (userId) => isUserOnline(ephemera, shared, userId),
    }),
    linkPreviews: new LinkPreviewService({ clock, logger, config, budgets }),
    files,
    profiles,
    blocks,
    get sendLimit() {
      const { rateLimit } = config;
      sendLimit ??=
        rateLimit &&
        new KeyedLimit(
          () => new SlidingWindow(rateLimit),
          () => clock.now(),
          { sharing: sharedLimits && { name: 'sends', rate: () => rateOf(rateLimit), with: sharedLimits } },
        );
      return sendLimit;
    },
    now: () => isoNow(clock),
  };
  broadcaster.onRemoval((userId, conversationId) => {
    services.typing.ended(userId, conversationId);
    services.calls.memberRemoved(userId, conversationId);
    services.presence.memberRemoved(userId);
  });
  broadcaster.onProcesses({
    told: (userId, event) => {
      if (event.event === 'chosen') services.presence.chosenElsewhere(userId, event.chosen);
      else if (event.event === 'forget') services.presence.forget(userId);
      else {
        services.presence.setHidden(userId, event.userId, event.isHidden);
        services.typing.blocked(userId, event.userId);
      }
    },
    callRang: rangElsewhere,
    runningCallChanged: (conversationId) => services.activeCalls.changedElsewhere(conversationId),
    watchedLeft: (userId) => services.presence.memberRemoved(userId),
    presenceChanged: (data) => services.presence.pushToBaseSockets(data),
    changesSince: (conversationId, head) => changesSince(store, conversationId, head),
    formerMembers: async (conversationId, userIds) => {
      const members = await store.read(() => membersAmong(conversationId, userIds));
      const known = new Set(members.map((row) => row.user_id));
      return userIds.filter((userId) => !known.has(userId));
    },
    deliveredToBase: (conversationId, userIds, seq) => {
      for (const userId of userIds) {
        services.receipts.delivered({ userId, caps: NO_CAPABILITIES }, { conversationId, seq }).catch(() => undefined);
      }
    },
  });
  return services;
}

/** Changes that a process repeats to sockets that have just entered a room. Beyond that, clients request them. */
const MAX_REPEATED = 50;

async function changesSince(store: Store, conversationId: string, head: Head): Promise<readonly Push[]> {
  const messages = await store.read(function* () {
    return yield* mapMessages(yield* changedRows(conversationId, head.rev, MAX_REPEATED));
  });
  return messages.map((data): Push => {
    const isNew = data.seq !== undefined && data.seq > head.seq && data.deletedAt === undefined;
    if (isNew) return { event: 'message:new', data };
    return { event: 'message:updated', data: { ...data, messageId: data.id, editedBy: data.senderId } };
  });
}

const NO_CAPABILITIES: Caller['caps'] = new Set();

/** Returns whether a device of the user is connected to any process. */
function isUserOnline(ephemera: CommunicationStore, shared: Ephemera, userId: string): Awaitable<boolean> {
  if (ephemera.isUserOnline(userId)) return true;
  const elsewhere = shared.devicesElsewhere(userId);
  return elsewhere instanceof Promise ? elsewhere.then((devices) => devices.length > 0) : elsewhere.length > 0;
}

function rateOf({ maxMessages, windowSeconds }: MessageRateLimit): RateLimit {
  return { burst: maxMessages, perSecond: maxMessages / windowSeconds };
}

/** Leaves out the presence that the viewer may not see because of a block. */
function visiblePresence(store: Store, presence: PresenceReader): PresenceReader {
  return {
    async presenceOf(userIds, viewer) {
      if (viewer === undefined) return await presence.presenceOf(userIds);
      const related = await store.read(() => relatedAmong(viewer, userIds));
      return await presence.presenceOf(related.size === 0 ? userIds : userIds.filter((id) => !related.has(id)));
    },
  };
}

/** Returns the members from whom the user's typing is hidden. */
async function requireTyping(store: Store, userId: string, conversationId: string): Promise<readonly string[]> {
  return await store.read(function* () {
    if ((yield* membershipOf(conversationId, userId)) === undefined) throw notFound();
    return yield* relatedMembers(conversationId, userId);
  });
}

async function membersFor(store: Store, userId: string, conversationId: string): Promise<readonly string[]> {
  return await store.read(function* () {
    if ((yield* membershipOf(conversationId, userId)) === undefined) throw notFound();
    return yield* memberIds(conversationId);
  });
}
