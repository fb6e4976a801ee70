import { fc } from '../../../../helpers/property.ts';
import { expect, test } from 'vitest';
import { parseCall, parseCallPush } from '../../../../../src/client/calls/signaling/parse-call-push.ts';
import { callParticipant } from '../../../../helpers/client/call-participants.ts';

test('a call is parsed without its malformed parts', () => {
  const call = parseCall({
    id: 'x',
    conversationId: 'c',
    callerId: 'alice',
    type: 'video',
    state: 'ringing',
    calleeIds: ['bob', 7, null],
    participants: [callParticipant('alice'), { unknown: true }],
    endReason: 'boredom',
  });
  expect(call).toEqual({
    id: 'x',
    conversationId: 'c',
    callerId: 'alice',
    type: 'video',
    state: 'ringing',
    calleeIds: ['bob', '7'],
    participants: [callParticipant('alice')],
  });
});

test('the "on" values of a media change become the "muted" values of a participant', () => {
  const row = { callId: 'x', userId: 'bob', audio: false, video: true, screenShare: 'yes' };
  expect(parseCallPush('call:media-changed', row)).toEqual({
    type: 'media-changed',
    callId: 'x',
    userId: 'bob',
    media: { audioMuted: true, videoMuted: false },
  });
});

test('malformed input never throws', () => {
  const row = fc.dictionary(
    fc.constantFrom('id', 'callId', 'state', 'participants', 'sdp', 'candidate', 'fromUserId', 'generation', 'type'),
    fc.anything(),
  );
  const event = fc.constantFrom(
    'call:state-changed',
    'call:participant-joined',
    'call:participant-left',
    'call:media-changed',
    'signal:offer',
    'signal:answer',
    'signal:ice-candidate',
    'signal:ice-restart',
    'other',
  );
  fc.assert(
    fc.property(event, row, fc.anything(), (name, fields, anything) => {
      for (const value of [fields, { ...fields, callId: 'x' }, anything]) {
        parseCall(value);
        const push = parseCallPush(name, value);
        const sdp = push?.type === 'signal' && push.signal.kind === 'offer' ? push.signal.sdp : '';
        expect(typeof sdp).toBe('string');
      }
    }),
  );
});
