import { expect, test } from 'vitest';
import { CommClient } from '../../../src/index.ts';
import { tableBelow } from '../../helpers/documentation/snippets.ts';

const client = new CommClient({ url: 'http://127.0.0.1:3000', userId: 'ann' });
const { messages, conversations, users, typing } = client;
/** What the tables call by these names. */
const parts: Readonly<Record<string, object>> = {
  client,
  messages,
  conversations,
  users,
  typing,
  view: conversations.open('1'),
};

test.each(['docs/migrating-from-stream.md', 'docs/migrating-from-sendbird.md'])(
  '%s names existing members of the client',
  (page) => {
    const names = tableBelow(page, 'Names')
      .flatMap(([, own = '']) => Array.from(own.matchAll(/`([a-z]+)\.(\w+)/g)))
      .map(([, part = '', member = '']) => [part, member] as const)
      .filter(([part]) => part in parts);
    expect(names.length).toBeGreaterThan(15);
    const missing = names.filter(([part, member]) => !(member in (parts[part] ?? {})));
    expect(missing).toEqual([]);
  },
);
