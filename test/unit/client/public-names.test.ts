import { afterAll, expect, test } from 'vitest';
import { CommClient, memoryStorage } from '../../../src/index.ts';
import { FakeSocket } from '../../helpers/client/fake-socket.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const client = new CommClient({ socket: new FakeSocket(), storage: memoryStorage(), clock: manualClock() });
const view = client.conversations.open('conversation');
view.ready.catch(() => undefined);
afterAll(() => client[Symbol.asyncDispose]());

/** What an editor completes behind a dot: own names and those of the class. */
function namesOf(object: object): string[] {
  const own = Reflect.ownKeys(object);
  const prototype = Object.getPrototypeOf(object) as object;
  const inherited = prototype === Object.prototype ? [] : Reflect.ownKeys(prototype);
  return [...own, ...inherited]
    .map(String)
    .filter((name) => name !== 'constructor')
    .toSorted();
}

const OBSERVABLE = ['getServerSnapshot', 'getSnapshot', 'subscribe'];

test.each<[title: string, object: object, names: readonly string[]]>([
  [
    'client',
    client,
    [
      'calls',
      'connect',
      'connection',
      'conversations',
      'disconnect',
      'encryption',
      'files',
      'forget',
      'guarantees',
      'messages',
      'off',
      'on',
      'once',
      'presence',
      'status',
      'typing',
      'userId',
      'users',
      'Symbol(Symbol.asyncDispose)',
    ],
  ],
  ['client.files', client.files, ['download', 'recordVoice', 'upload', 'url']],
  [
    'client.messages',
    client.messages,
    [
      'delete',
      'discard',
      'edit',
      'forward',
      'get',
      'linkPreviews',
      'list',
      'markRead',
      'outbox',
      'pin',
      'pinned',
      'report',
      'react',
      'retry',
      'search',
      'send',
    ],
  ],
  [
    'client.conversations',
    client.conversations,
    [
      'addParticipants',
      'archive',
      'ban',
      'bans',
      'browse',
      'create',
      'get',
      'inbox',
      'join',
      'leave',
      'list',
      'members',
      'mute',
      'open',
      'pin',
      'removeParticipant',
      'setRole',
      'openThread',
      'markUnread',
      'markAllRead',
      'update',
    ],
  ],
  ['client.conversations.inbox', client.conversations.inbox, [...OBSERVABLE, 'loadMore']],
  [
    'a view',
    view,
    [
      ...OBSERVABLE,
      'close',
      'id',
      'jumpTo',
      'jumpToFirstUnread',
      'loadNewer',
      'loadOlder',
      'markRead',
      'ready',
      'send',
      'setTyping',
    ],
  ],
  ['client.typing', client.typing, ['in', 'start', 'stop']],
  ['client.presence', client.presence, ['get', 'set', 'watch']],
  ['client.users', client.users, ['block', 'blocked', 'get', 'search', 'update', 'watch']],
])('%s has the documented members and no others', (_title, object, names) => {
  expect(namesOf(object)).toEqual(names.toSorted());
});
