import { describe, expect, test } from 'vitest';
import { negotiateCapabilities, ServerInfo } from '../../../../src/client/connection/server-info.ts';
import { parseHello } from '../../../../src/transport/frames.ts';

describe('a hello', () => {
  const hello = {
    protocol: 1,
    userId: 'alice',
    caps: ['ack', 'rev', 'future'],
    serverTime: '',
    limits: { typingTimeoutMs: 700, pageSize: -1 },
  };

  test('confirms the user and the capabilities that both sides have', () => {
    const server = new ServerInfo('from the options');
    expect(server.userId).toBe('from the options');
    server.update(parseHello(hello));
    expect(server.userId).toBe('alice');
    expect([server.has('ack'), server.has('rev'), server.has('client-id')]).toEqual([true, true, false]);
    expect(server.typingTimeoutMs).toBe(700);
    expect(server.guarantees).toEqual({
      acknowledged: true,
      exactlyOnce: false,
      gapFree: true,
      editsOnResume: true,
      completeHistory: true,
    });
    expect(Object.isFrozen(server.guarantees)).toBe(true);
  });

  test.each([
    ['is absent', undefined],
    ['has no user id', { ...hello, userId: 5 }],
    ['is no object', 'hello'],
    ['has no list of capabilities', { ...hello, caps: 'all' }],
  ])('that %s means a base server', (_title, payload) => {
    const server = new ServerInfo('alice');
    server.update(parseHello(hello));
    server.update(parseHello(payload));
    expect(server.guarantees).toEqual({
      acknowledged: false,
      exactlyOnce: false,
      gapFree: false,
      editsOnResume: false,
      completeHistory: false,
    });
    expect(server.userId).toBe('alice');
  });

  test('of another user than before is reported, also after a base server in between', () => {
    const server = new ServerInfo(undefined);
    const as = (userId: string) => parseHello({ ...hello, userId });
    expect([as('alice'), as('alice'), undefined, as('bob')].map((each) => server.update(each))).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });
});

test('capabilities that this client does not know are ignored', () => {
  expect([...negotiateCapabilities(['rev', 'future', 'ack'])].sort()).toEqual(['ack', 'rev']);
});
