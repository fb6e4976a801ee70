import type { RestRouteName } from '../../../../src/protocol/constants.ts';
import { REST_ROUTES } from '../../../../src/protocol/constants.ts';
import type { RequestName, RequestOf } from '../../../../src/protocol/events.ts';
import type { ServerErrorCode } from '../../../../src/protocol/errors.ts';
import type { Ids, Role } from './world.ts';

/** What a role is answered: a code of the protocol, `ok`, or exactly this data. */
export type Answer = ServerErrorCode | 'ok' | { readonly data: unknown };
export type Answers = Readonly<Record<Role, Answer>>;

interface Row {
  readonly title: string;
  readonly answers: Answers;
  /** Whether the group of the test is public. */
  readonly isPublic: boolean;
}
/** A request on a socket. */
export interface SocketRow extends Row {
  readonly event: RequestName;
  readonly payload: (ids: Ids) => unknown;
}
/** A REST request. */
export interface RestRow extends Row {
  readonly route: RestRouteName;
  /** Path with its query. */
  readonly path: (ids: Ids) => string;
  readonly body?: ((ids: Ids) => unknown) | undefined;
}

interface Options {
  /** Distinguishes rows of the same event. */
  readonly when?: string;
  readonly isPublic?: boolean;
}

function socket<K extends RequestName>(
  event: K,
  payload: (ids: Ids) => RequestOf<K>,
  answers: Answers,
  { when, isPublic = false }: Options = {},
): SocketRow {
  return { title: when === undefined ? event : `${event}, ${when}`, event, payload, answers, isPublic };
}

function rest(
  route: RestRouteName,
  query: string | ((ids: Ids) => string),
  answers: Answers,
  { when, isPublic = false, body }: Options & Pick<RestRow, 'body'> = {},
): RestRow {
  const { path } = REST_ROUTES[route];
  const idOf = (ids: Ids): string => {
    if (path.startsWith('/users')) return ids.user;
    return path.startsWith('/messages') ? ids.root : ids.conversation;
  };
  return {
    title: `${REST_ROUTES[route].method} ${path}${when === undefined ? '' : `, ${when}`}`,
    route,
    path: (ids) => path.replace(':id', idOf(ids)) + (typeof query === 'string' ? query : query(ids)),
    body,
    answers,
    isPublic,
  };
}

/** Users who aren't members learn nothing; the others are answered like this. */
const members = (blocked: Answer, member: Answer, admin: Answer, owner: Answer): Answers => ({
  stranger: 'NOT_FOUND',
  removed: 'NOT_FOUND',
  banned: 'NOT_FOUND',
  blocked,
  member,
  admin,
  owner,
});
/** Every member may, also in a direct conversation with a user who has blocked the caller. */
const EVERY_MEMBER = members('ok', 'ok', 'ok', 'ok');
/** Every member may, unless the other user of a direct conversation has blocked them. */
const UNBLOCKED = members('FORBIDDEN', 'ok', 'ok', 'ok');
/** The owner and admins of a group may. */
const MANAGERS = members('FORBIDDEN', 'FORBIDDEN', 'ok', 'ok');
const everyone = (answer: Answer): Answers => ({ ...members(answer, answer, answer, answer), ...outsiders(answer) });
const outsiders = (answer: Answer): Pick<Answers, 'stranger' | 'removed' | 'banned'> => ({
  stranger: answer,
  removed: answer,
  banned: answer,
});

const message = ({ conversation, root }: Ids) => ({ conversationId: conversation, messageId: root });
const text = ({ conversation }: Ids) => ({ conversationId: conversation, content: 'hello', type: 'text' }) as const;

export const SOCKET_ROWS: readonly SocketRow[] = [
  // Messages
  socket('message:send', text, UNBLOCKED),
  socket('message:send', (ids) => ({ ...text(ids), threadId: ids.root }), UNBLOCKED, { when: 'in a thread' }),
  socket('message:send', (ids) => ({ ...text(ids), threadId: ids.reply }), UNBLOCKED, { when: 'to a reply' }),
  socket('message:send', (ids) => ({ ...text(ids), mentions: [ids.user], metadata: { a: 1 } }), UNBLOCKED, {
    when: 'with a mention',
  }),
  socket(
    'message:send',
    (ids) => ({ ...text(ids), mentions: ['outsider'] }),
    members('FORBIDDEN', 'INVALID', 'INVALID', 'INVALID'),
    {
      when: 'that mentions a user who is no member',
    },
  ),
  socket(
    'message:forward',
    ({ conversation, root }) => ({ fromConversationId: conversation, toConversationId: conversation, messageId: root }),
    UNBLOCKED,
  ),
  socket(
    'message:edit',
    ({ conversation, own }) => ({
      conversationId: conversation,
      messageId: own,
      content: 'changed',
      metadata: { a: 1 },
    }),
    UNBLOCKED,
    {
      when: 'of an own message',
    },
  ),
  socket(
    'message:edit',
    (ids) => ({ ...message(ids), content: 'changed' }),
    members('FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN'),
  ),
  socket('message:delete', message, MANAGERS),
  socket('message:react', (ids) => ({ ...message(ids), emoji: '👍', on: true }), UNBLOCKED),
  socket('message:react', (ids) => ({ ...message(ids), emoji: '👍' }), UNBLOCKED, { when: 'as a toggle' }),
  socket('message:pin', (ids) => ({ ...message(ids), pinned: true }), UNBLOCKED),
  socket('message:pin', (ids) => ({ ...message(ids), pinned: false }), UNBLOCKED, { when: 'to unpin' }),
  socket('message:report', (ids) => ({ ...message(ids), reason: 'spam', comment: 'every day' }), EVERY_MEMBER),
  socket(
    'message:report',
    ({ conversation, own }) => ({ conversationId: conversation, messageId: own, reason: 'spam' }),
    members('INVALID', 'INVALID', 'INVALID', 'INVALID'),
    {
      when: 'of an own message',
    },
  ),
  // Threads
  socket(
    'thread:read',
    ({ conversation, root, reply }) => ({ conversationId: conversation, threadId: root, messageId: reply }),
    EVERY_MEMBER,
  ),
  socket('conversation:mark-unread', message, EVERY_MEMBER),
  socket(
    'conversation:mark-unread',
    ({ conversation, reply }) => ({ conversationId: conversation, messageId: reply }),
    members('INVALID', 'INVALID', 'INVALID', 'INVALID'),
    {
      when: 'at a reply',
    },
  ),
  // Groups
  socket('conversation:create', ({ contact }) => ({ type: 'group', participantIds: [contact], description: 'new' }), {
    ...everyone('ok'),
    blocked: 'FORBIDDEN',
  }),
  socket(
    'conversation:update',
    ({ conversation }) => ({ conversationId: conversation, name: 'renamed', description: 'new', frozen: true }),
    MANAGERS,
  ),
  socket(
    'conversation:add-participants',
    ({ conversation }) => ({ conversationId: conversation, userIds: ['outsider'] }),
    MANAGERS,
  ),
  socket(
    'conversation:add-participants',
    ({ conversation }) => ({ conversationId: conversation, userIds: ['banned'] }),
    members('FORBIDDEN', 'FORBIDDEN', 'CONFLICT', 'CONFLICT'),
    {
      when: 'of a banned user',
    },
  ),
  socket(
    'conversation:ban',
    ({ conversation, user }) => ({ conversationId: conversation, userId: user, banned: true, reason: 'spam' }),
    MANAGERS,
  ),
  socket(
    'conversation:ban',
    ({ conversation }) => ({ conversationId: conversation, userId: 'banned', banned: false }),
    MANAGERS,
    {
      when: 'to lift it',
    },
  ),
  socket(
    'conversation:ban',
    ({ conversation }) => ({ conversationId: conversation, userId: 'owner', banned: true }),
    members('FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'INVALID'),
    {
      when: 'of the owner',
    },
  ),
  socket('conversation:enter', ({ conversation }) => ({ conversationId: conversation }), EVERY_MEMBER, {
    when: 'a private group',
  }),
  socket(
    'conversation:enter',
    ({ conversation }) => ({ conversationId: conversation }),
    { ...everyone('ok'), banned: 'NOT_FOUND' },
    {
      when: 'a public group',
      isPublic: true,
    },
  ),
  socket('conversation:browse', ({ name }) => ({ query: name }), everyone({ data: { conversations: [] } }), {
    when: 'beside private groups',
  }),
  socket(
    'conversation:browse',
    ({ name }) => ({ query: name }),
    { ...everyone('ok'), banned: { data: { conversations: [] } } },
    { when: 'among public groups', isPublic: true },
  ),
  // People
  socket('user:get', ({ user }) => ({ userIds: [user] }), { ...everyone('ok'), ...outsiders({ data: { users: [] } }) }),
  socket('user:search', ({ user }) => ({ query: user }), everyone('ok')),
  socket('user:blocked', () => ({}), everyone({ data: { userIds: [] } })),
  socket('user:block', () => ({ userId: 'bystander', blocked: true }), everyone('ok')),
  socket('user:update', () => ({ displayName: 'Renamed' }), everyone('ok')),
];

const PAGE = '?paged=true';
/** Users who aren't members don't find the conversation in their inbox. */
const OWN_INBOX: Answers = { ...everyone('ok'), ...outsiders({ data: { conversations: [], hasMore: false } }) };

export const REST_ROWS: readonly RestRow[] = [
  rest('listConversations', ({ name }) => `${PAGE}&query=${encodeURIComponent(name)}`, OWN_INBOX, { when: 'by name' }),
  rest(
    'listConversations',
    ({ name }) => `${PAGE}&archived=false&unread=true&query=${encodeURIComponent(name)}`,
    OWN_INBOX,
    { when: 'that are unread' },
  ),
  rest(
    'createConversation',
    '',
    { ...everyone('ok'), blocked: 'FORBIDDEN' },
    {
      body: ({ contact }) => ({ type: 'group', participantIds: [contact], metadata: { a: 1 } }),
    },
  ),
  rest('getConversation', '', EVERY_MEMBER),
  rest('getConversation', '', EVERY_MEMBER, { when: 'a public group', isPublic: true }),
  rest('listMembers', '', EVERY_MEMBER, { isPublic: true }),
  rest('listBans', '', MANAGERS),
  rest('listMessages', `${PAGE}&timeline=main`, EVERY_MEMBER, { when: 'the main timeline', isPublic: true }),
  rest('listMessages', ({ root }) => `${PAGE}&threadId=${root}`, EVERY_MEMBER, { when: 'a thread' }),
  rest('listMessages', ({ reply }) => `${PAGE}&around=${reply}`, EVERY_MEMBER, { when: 'around a reply' }),
  rest('listPinned', '', EVERY_MEMBER),
  rest('listChanges', '?after=0', EVERY_MEMBER),
  rest('searchMessages', ({ conversation }) => `${PAGE}&q=us&conversationId=${conversation}`, EVERY_MEMBER),
  rest('getMessage', '', EVERY_MEMBER),
  rest('deleteMessage', '', MANAGERS),
  rest('getUser', '', EVERY_MEMBER),
  rest('searchUsers', ({ user }) => `?query=${user}`, everyone('ok')),
];

/** Requests of earlier versions that nothing of the roles, bans and blocks has changed. Their own tests authorize them. */
export const TESTED_ELSEWHERE: readonly (RequestName | RestRouteName)[] = [
  'message:read',
  'message:delivered',
  'typing:start',
  'typing:stop',
  'presence:update',
  'presence:watch',
  'presence:unwatch',
  'conversation:join',
  'conversation:leave',
  'conversation:archive',
  'conversation:mute',
  'conversation:pin',
  'conversation:remove-participant',
  'conversation:set-role',
  'sync',
  'batch',
  'comm:ping',
  'call:initiate',
  'call:respond',
  'call:join',
  'call:hangup',
  'call:sync',
  'call:connected',
  'call:media-toggle',
  'call:add-participant',
  'call:remove-participant',
  'call:quality-report',
  'call:ice-servers',
  'signal:offer',
  'signal:answer',
  'signal:ice-candidate',
  'signal:ice-restart',
  'encryption:upload-keys',
  'encryption:request-keys',
  'encryption:session-init',
  'encryption:mailbox-ack',
  'file:request-upload',
  'file:sign',
  'linkPreviews',
];
