import { DatabaseSync } from 'node:sqlite';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { Conversation } from '../../../src/protocol/conversations.ts';
import type { Message, SendMessage } from '../../../src/protocol/messages.ts';
import { resolveConfig, type CommunicationConfig } from '../../../src/server/config.ts';
import { resolveLimits, type ServerLimits } from '../../../src/server/services/limits/server-limits.ts';
import type { ServerHooks } from '../../../src/server/hooks.ts';
import { ContactPolicy } from '../../../src/server/services/people/contact-policy.ts';
import { UserBudgets } from '../../../src/server/services/limits/user-budgets.ts';
import { createChatServices, type ChatServices } from '../../../src/server/services/chat/chat-services.ts';
import type { Caller, PresenceReader } from '../../../src/server/services/ports.ts';
import type { SqlValue } from '../../../src/server/store/engine/work.ts';
import type { DatabaseSource } from '../../../src/server/store/engine/database-source.ts';
import { createStore, type Store } from '../../../src/server/store/store.ts';
import { CAPABILITIES } from '../../../src/protocol/constants.ts';
import { newPostgres } from '../postgres/test-database.ts';
import { executeSql } from './execute-sql.ts';
import { manualClock, type ManualClock } from '../manual-clock.ts';
import { RecordingBroadcaster } from './recording-broadcaster.ts';

export interface Chat extends ChatServices {
  readonly broadcaster: RecordingBroadcaster;
  readonly store: Store;
  readonly clock: ManualClock;
  readonly db: DatabaseSource;
  /** The database of the tests on SQLite, unless the test brought one of its own. */
  readonly sqlite: DatabaseSync;
  /** Runs a statement as an app would, with `?` for parameters, in whichever database the chat is stored. */
  sql(text: string, ...parameters: SqlValue[]): Promise<readonly Record<string, unknown>[]>;
  group(owner: string, ...others: string[]): Promise<Conversation>;
  direct(one: string, other: string): Promise<Conversation>;
  say(sender: string, conversationId: string, content: string, more?: Partial<SendMessage>): Promise<Message>;
}

export interface ChatOptions {
  db?: DatabaseSource;
  config?: CommunicationConfig;
  limits?: Partial<ServerLimits>;
  hooks?: ServerHooks;
  presence?: PresenceReader;
}

const MUCH = { burst: 1_000_000, perSecond: 1_000_000 };

/** A client of ours. */
export function caller(userId: string, socketId?: string): Caller {
  return { userId, caps: new Set(CAPABILITIES), ...(socketId !== undefined && { socketId }) };
}

/** A client that knows only the base protocol. */
export function baseCaller(userId: string, socketId: string): Caller {
  return { userId, socketId, caps: new Set() };
}

/** The chat services on a real database, in memory unless given, with a broadcaster that keeps what it is told. */
export async function startChat(options: ChatOptions = {}): Promise<Chat> {
  const sqlite = new DatabaseSync(':memory:');
  const clock = manualClock();
  const db = options.db ?? (await newPostgres()) ?? sqlite;
  const store = createStore(db, silentLogger, clock);
  await store.ready;
  const limits = resolveLimits({ conversationsCreated: MUCH, requests: MUCH, ...options.limits });
  const broadcaster = new RecordingBroadcaster();
  const services = createChatServices({
    store,
    broadcaster,
    clock,
    config: resolveConfig(options.config),
    limits,
    budgets: new UserBudgets(limits, clock),
    contacts: new ContactPolicy(options.hooks ?? {}, clock, silentLogger),
    hooks: options.hooks ?? {},
    logger: silentLogger,
    presence: options.presence ?? { presenceOf: () => new Map() },
    profiles: { resolve: () => Promise.resolve(false) },
    runningCalls: { activeCalls: () => new Map() },
    storesFiles: () => false,
  });
  const create = async (type: 'direct' | 'group', owner: string, participantIds: string[]): Promise<Conversation> => {
    const { conversation } = await services.conversations.create(caller(owner), { type, participantIds });
    broadcaster.take();
    return conversation;
  };
  return {
    ...services,
    broadcaster,
    store,
    clock,
    sqlite,
    db,
    sql: (text, ...parameters) => executeSql(db, text, parameters),
    group: (owner, ...others) => create('group', owner, others),
    direct: (one, other) => create('direct', one, [other]),
    say: (sender, conversationId, content, more) =>
      services.sending.send(caller(sender), { conversationId, content, type: 'text', ...more }),
  };
}
