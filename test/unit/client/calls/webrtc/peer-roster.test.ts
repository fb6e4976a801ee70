import { expect, test } from 'vitest';
import { PeerRoster } from '../../../../../src/client/calls/webrtc/peer-roster.ts';
import type { CallParticipant } from '../../../../../src/protocol/calls.ts';
import { callParticipant } from '../../../../helpers/client/call-participants.ts';

/** Returns what is reported for a sequence of rosters, the initial peers first. */
function reported(...rosters: CallParticipant[][]): string[] {
  const events: string[] = [];
  const peers = new PeerRoster({
    peerJoined: ({ userId, deviceId }, offerer) => events.push(`${userId}/${deviceId ?? ''} ${offerer}`),
    peerLeft: (userId) => events.push(`${userId} left`),
  });
  const [first = [], ...rest] = rosters;
  const initial = peers.initialPeers(first, 'me').map(({ userId }) => userId);
  events.push(`initial ${initial.join()}`);
  for (const each of [first, ...rest]) peers.update(each, 'me');
  return events;
}

test('participants who joined before this device offer; this device offers to those who join later', () => {
  const roster = [callParticipant('alice'), callParticipant('me'), callParticipant('bob')];
  expect(reported(roster)).toEqual(['initial alice', 'bob/ self']);
});

test('if the server omits this device, all participants joined before it', () => {
  const alice = callParticipant('alice');
  expect(reported([alice], [alice, callParticipant('me'), callParticipant('bob')])).toEqual([
    'initial alice',
    'bob/ self',
  ]);
});

test('a participant who changes the device or rejoins is reported as left and joined', () => {
  const me = callParticipant('me');
  expect(
    reported(
      [me, callParticipant('bob', { deviceId: 'a' })],
      [me, callParticipant('bob', { deviceId: 'b' })],
      [me, callParticipant('bob', { deviceId: 'b', joinedAt: 'later' })],
      [me],
    ),
  ).toEqual(['initial ', 'bob/a self', 'bob left', 'bob/b self', 'bob left', 'bob/b self', 'bob left']);
});
