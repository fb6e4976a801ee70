import { DatabaseSync } from 'node:sqlite';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';

/** What a user is in the conversation that a request is about. */
export const ROLES = ['stranger', 'removed', 'banned', 'blocked', 'member', 'admin', 'owner'] as const;
export type Role = (typeof ROLES)[number];

/** Roles that aren't members: a conversation is to them as one that doesn't exist. */
export const OUTSIDERS: readonly Role[] = ['stranger', 'removed', 'banned'];

/** In every text and name of the conversations. */
export const SECRET = 'between us only';

/** The ids that a request can name. */
export interface Ids {
  readonly conversation: string;
  /** A message of another member, which has replies. */
  readonly root: string;
  readonly reply: string;
  /** A message of the caller; that of another member for users who never were one. */
  readonly own: string;
  /** Another member. */
  readonly user: string;
  /** A user whom the caller doesn't know, or who has blocked the caller. */
  readonly contact: string;
  /** Name of the group; of a direct conversation, that of the other user. */
  readonly name: string;
}

/** Ids of a conversation, of messages and of a user that don't exist. */
export const MADE_UP: Ids = {
  conversation: '00000000-0000-4000-8000-000000000000',
  root: '900000001',
  reply: '900000002',
  own: '900000003',
  user: 'unheard-of',
  contact: 'unheard-of',
  name: 'unheard-of',
};

/** The conversations of one test: for the role `blocked` the direct one with a user who has blocked the caller, else a group. */
export interface Room {
  idsFor(role: Role): Ids;
  /** Messages of a conversation in which only their sender is. */
  readonly foreign: Pick<Ids, 'root' | 'reply' | 'own'>;
}

/** Users of the tests besides those of {@link ROLES}. */
const OTHERS = ['blocker', 'outsider', 'bystander'] as const;
type User = Role | (typeof OTHERS)[number];

/** One server for all tests, on which every user is connected. */
export interface World extends AsyncDisposable {
  readonly server: TestServer;
  client(user: User): CheckedClient;
  /** Creates the conversations of a test. @param isPublic - whether users who aren't members may enter the group */
  room(isPublic: boolean): Promise<Room>;
  /** The rows of all tables, except those that the server writes in the background, as JSON. */
  rows(): string;
  /** Resolves when all clients have received what was pushed to them. Returns the pushes so far, by user. */
  pushed(): Promise<Record<string, readonly string[]>>;
}

/** Tables of the search index and the health probe. */
const BACKGROUND = /^sqlite_|fts|search|probe/;

export async function startWorld(): Promise<World> {
  const db = new DatabaseSync(':memory:');
  const server = await startServer({ db, config: { userSearch: true } });
  const clients = new Map<User, CheckedClient>();
  for (const user of [...ROLES, ...OTHERS]) clients.set(user, await server.connect(user));
  const client = (user: User): CheckedClient => {
    const found = clients.get(user);
    if (found === undefined) throw new Error(`${user} is not connected`);
    return found;
  };
  const say = async (by: CheckedClient, conversationId: string, more: { threadId?: string } = {}): Promise<string> =>
    (await by.ask('message:send', { conversationId, content: SECRET, type: 'text', ...more })).id;

  let groups = 0;
  const group = async (isPublic: boolean): Promise<(role: Role) => Ids> => {
    // A user of this group only, so that no other test lets a stranger see them.
    const user = `target-${(groups += 1)}`;
    const target = await server.connect(user);
    const name = `${SECRET} ${groups}`;
    const { id: conversationId } = await client('owner').ask('conversation:create', {
      type: 'group',
      name,
      participantIds: ['admin', 'member', 'removed', 'banned', user],
      ...(isPublic && { visibility: 'public' }),
    });
    await client('owner').ask('conversation:set-role', { conversationId, userId: 'admin', role: 'admin' });
    const root = await say(target, conversationId);
    const reply = await say(target, conversationId, { threadId: root });
    const own = new Map<Role, string>();
    for (const role of ['removed', 'banned', 'member', 'admin', 'owner'] as const) {
      own.set(role, await say(client(role), conversationId));
    }
    await client('owner').ask('conversation:remove-participant', { conversationId, userId: 'removed' });
    await client('owner').ask('conversation:ban', { conversationId, userId: 'banned', banned: true });
    return (role) => ({
      conversation: conversationId,
      root,
      reply,
      own: own.get(role) ?? root,
      user,
      contact: 'bystander',
      name,
    });
  };
  const direct = async (): Promise<Ids> => {
    await client('blocker').ask('user:block', { userId: 'blocked', blocked: false });
    const { id: conversation } = await client('blocker').ask('conversation:create', {
      type: 'direct',
      participantIds: ['blocked'],
    });
    const root = await say(client('blocker'), conversation);
    const reply = await say(client('blocker'), conversation, { threadId: root });
    const own = await say(client('blocked'), conversation);
    await client('blocker').ask('user:block', { userId: 'blocked', blocked: true });
    return { conversation, root, reply, own, user: 'blocker', contact: 'blocker', name: 'blocker' };
  };
  const { id: foreignId } = await client('outsider').ask('conversation:create', { type: 'group', participantIds: [] });
  const foreignRoot = await say(client('outsider'), foreignId);
  const foreign = {
    root: foreignRoot,
    reply: await say(client('outsider'), foreignId, { threadId: foreignRoot }),
    own: foreignRoot,
  };

  return {
    server,
    client,
    async room(isPublic) {
      const [inGroup, inDirect] = [await group(isPublic), await direct()];
      return { foreign, idsFor: (role) => (role === 'blocked' ? inDirect : inGroup(role)) };
    },
    rows() {
      const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all();
      const names = tables.map(({ name }) => String(name)).filter((name) => !BACKGROUND.test(name));
      return JSON.stringify(names.map((name) => [name, db.prepare(`SELECT * FROM "${name}"`).all()]));
    },
    async pushed() {
      const all: Record<string, readonly string[]> = {};
      for (const [user, each] of clients) {
        await each.settled();
        // A profile that an earlier test has changed is pushed up to a second later.
        all[user] = each.events.filter((event) => event !== 'user:updated');
      }
      return all;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      db.close();
    },
  };
}
