import { expect, test } from 'vitest';
import {
  withMediaState,
  withoutParticipant,
  withParticipant,
  withParticipants,
} from '../../../../../src/client/calls/session/roster.ts';
import { callParticipant } from '../../../../helpers/client/call-participants.ts';

const roster = [callParticipant('alice'), callParticipant('bob'), callParticipant('carol')];

test('returns the same list if nothing changed', () => {
  expect(withParticipant(roster, callParticipant('bob'))).toBe(roster);
  expect(withoutParticipant(roster, 'dave')).toBe(roster);
  expect(withMediaState(roster, 'bob', { audioMuted: false })).toBe(roster);
  expect(withMediaState(roster, 'dave', { audioMuted: true })).toBe(roster);
  const copies = roster.map((each) => ({ ...each }));
  expect(withParticipants(roster, copies)).toBe(roster);
});

test('a changed participant keeps its position and the others keep their objects', () => {
  const media = { audioMuted: true, videoMuted: true, screenSharing: true };
  const muted = withMediaState(roster, 'bob', media);
  expect(muted[1]).toEqual(callParticipant('bob', media));
  expect(muted[0]).toBe(roster[0]);
});

test('a participant who rejoins moves to the end', () => {
  const rejoined = callParticipant('alice', { joinedAt: '2026-01-01T00:01:00.000Z' });
  expect(withParticipant(roster, rejoined).map(({ userId }) => userId)).toEqual(['bob', 'carol', 'alice']);
});
