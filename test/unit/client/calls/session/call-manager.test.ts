import { describe, expect, test } from 'vitest';
import { CallManager } from '../../../../../src/client/calls/session/call-manager.ts';
import type { CallSession, CurrentCalls } from '../../../../../src/client/calls/session/call-types.ts';
import { resourceCounters } from '../../../../../src/client/calls/webrtc/resource-counters.ts';
import { ObservableValue } from '../../../../../src/lib/observable.ts';
import type { Call, CallParticipant } from '../../../../../src/protocol/calls.ts';
import type { CallState } from '../../../../../src/protocol/constants.ts';
import { fakeContext, type FakeContext } from '../../../../helpers/client/context.ts';
import { FakePlatform } from '../../../../helpers/client/fake-media.ts';

const CALL = { callId: 'x' };

const participant = (userId: string, more: Partial<CallParticipant> = {}): CallParticipant => ({
  userId,
  joinedAt: `2026-01-01T00:00:00.000Z ${userId}`,
  audioMuted: false,
  videoMuted: true,
  screenSharing: false,
  ...more,
});

function callOf(state: CallState, ...participants: CallParticipant[]): Call {
  const people = { callerId: 'bob', calleeIds: ['alice', 'carol'] };
  return { id: 'x', conversationId: 'c', type: 'audio', state, ...people, participants };
}

/** Creates alice's call manager. The test answers its requests. */
function setup(): {
  manager: CallManager;
  current: ObservableValue<CurrentCalls>;
  context: FakeContext;
  platform: FakePlatform;
  incoming: CallSession[];
} {
  const context = fakeContext();
  context.caps.add('multi-socket-call');
  const platform = new FakePlatform();
  const incoming: CallSession[] = [];
  context.emitter.on('call', (call) => incoming.push(call));
  const current = new ObservableValue<CurrentCalls>({}, context.report);
  return { manager: new CallManager(context, current, { platform }), current, context, platform, incoming };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Bob calls and alice accepts. The server has not replied yet. */
async function answering() {
  const made = setup();
  made.manager.onPush('call:incoming', callOf('ringing', participant('bob')));
  const [call] = made.incoming;
  if (call === undefined) throw new Error('No incoming call');
  const accepting = call.accept();
  await settled();
  const own = (deviceId: string): CallParticipant => participant('alice', { deviceId });
  const [asked] = made.context.open('call:respond');
  const { deviceId = '' } = (asked?.payload ?? {}) as { deviceId?: string };
  return {
    ...made,
    call,
    accepting,
    answer: async () => {
      asked?.answer.resolve(callOf('connecting', participant('bob'), own(deviceId)));
      await accepting;
    },
  };
}

async function connected() {
  const made = await answering();
  await made.answer();
  made.platform.backend.connect('bob');
  return made;
}

describe('pushes', () => {
  test('that arrive before a pending reply are processed after it', async () => {
    const { manager, call, answer, platform } = await answering();
    manager.onPush('call:participant-joined', { ...CALL, participant: participant('carol') });
    manager.onPush('call:media-changed', { ...CALL, userId: 'bob', audio: false });
    await answer();
    await settled();
    expect(call.participants.map(({ userId }) => userId)).toEqual(['bob', 'alice', 'carol']);
    expect(call.participants[0]).toMatchObject({ audioMuted: true });
    expect(platform.backend.offers).toBe(1);
    call.hangup();
  });

  test('of signals before the call is answered are buffered in order, up to 256', async () => {
    const { manager, platform, incoming, context } = setup();
    manager.onPush('call:incoming', callOf('ringing', participant('bob')));
    for (let count = 0; count < 300; count += 1) {
      const signal = { ...CALL, fromUserId: 'zoe', toUserId: 'alice', candidate: String(count) };
      manager.onPush('signal:ice-candidate', { ...signal, sdpMLineIndex: 0, sdpMid: '0' });
    }
    const [call] = incoming;
    const accepting = call?.accept();
    await settled();
    const [asked] = context.open('call:respond');
    const { deviceId = '' } = (asked?.payload ?? {}) as { deviceId?: string };
    asked?.answer.resolve(callOf('connecting', participant('bob'), participant('alice', { deviceId })));
    await accepting;
    const kept = platform.backend.signals.map((signal) => ('candidate' in signal ? signal.candidate : ''));
    expect(kept).toEqual(Array.from({ length: 256 }, (_, count) => String(count)));
    call?.hangup();
  });

  test.each([
    ['an unknown state', 'call:state-changed', { ...CALL, state: 'over' }],
    ['another call id', 'call:state-changed', { callId: 'y', state: 'ended' }],
    ['no participant', 'call:participant-joined', { ...CALL, participant: null }],
    ['the local user', 'call:participant-left', { ...CALL, userId: 'alice' }],
    ['a malformed signal', 'signal:offer', { ...CALL, fromUserId: 'bob', sdp: 7 }],
    ['a user who is not in the call', 'call:media-changed', { ...CALL, userId: 'zoe', audio: 'loud' }],
    ['no data', 'call:state-changed', null],
    ['a repeated incoming call', 'call:incoming', callOf('ringing', participant('bob'))],
  ])('with %s change nothing', async (_, event, data) => {
    const { manager, call, incoming } = await connected();
    const before = call.getSnapshot();
    manager.onPush(event, data);
    expect(call.getSnapshot()).toBe(before);
    expect(incoming).toHaveLength(1);
    call.hangup();
  });

  test('about an ended call are ignored, but the call may ring again', async () => {
    const { manager, call, incoming, context } = await connected();
    manager.onPush('call:state-changed', { ...CALL, state: 'ended', endReason: 'completed' });
    const states: string[] = [];
    call.on('state', (state) => states.push(state));
    manager.onPush('call:state-changed', { ...CALL, state: 'connecting' });
    expect([call.state, states]).toEqual(['ended', []]);
    manager.onPush('call:incoming', callOf('ringing', participant('bob')));
    expect(incoming).toHaveLength(2);
    incoming[1]?.reject();
    context.open('call:respond').at(-1)?.answer.resolve(null);
  });
});

describe('timers', () => {
  test('an interruption of up to 2 s keeps the state; a longer one is `reconnecting` until a peer connects', async () => {
    const { call, platform, context } = await connected();
    platform.backend.state('bob', 'disconnected');
    expect(call.getSnapshot()).toMatchObject({ state: 'connected', interrupted: ['bob'] });
    context.clock.advance(1_999);
    platform.backend.state('bob', 'connected');
    context.clock.advance(10_000);
    expect(call.state).toBe('connected');
    platform.backend.state('bob', 'disconnected');
    context.clock.advance(2_000);
    expect(call.state).toBe('reconnecting');
    platform.backend.state('bob', 'connected');
    expect(call.getSnapshot()).toMatchObject({ state: 'connected', interrupted: [] });
    call.hangup();
  });

  test('an unanswered call ends after a minute if the server does not end it', async () => {
    const { manager, context } = setup();
    const starting = manager.start({ conversationId: 'c', type: 'audio', calleeIds: ['bob'] });
    await settled();
    const [asked] = context.open('call:initiate');
    const { deviceId = '' } = (asked?.payload ?? {}) as { deviceId?: string };
    asked?.answer.resolve({ ...callOf('ringing', participant('alice', { deviceId })), callerId: 'alice' });
    const call = await starting;
    expect(call.state).toBe('ringing');
    context.clock.advance(60_000);
    expect(await call.ended).toBe('missed');
    expect(context.open('call:hangup')[0]?.payload).toEqual({ ...CALL, reason: 'missed' });
  });

  test('a hang-up that can not be sent is dropped after a minute, and nothing is left', async () => {
    const { call, context, platform } = await connected();
    context.line = 'down';
    call.hangup();
    await settled();
    expect(context.clock.pending).toBe(1);
    context.clock.advance(60_000);
    expect(context.clock.pending).toBe(0);
    expect(platform.listeners).toBe(0);
  });

  test('a call that the other side ends leaves no timers, listeners or resources', async () => {
    const { manager, call, context, platform } = await connected();
    manager.onPush('call:state-changed', { ...CALL, state: 'ended', endReason: 'completed' });
    expect(await call.ended).toBe('completed');
    expect(context.clock.pending).toBe(0);
    expect(platform.listeners).toBe(0);
    expect(resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
    expect(manager.all[0]).toBeUndefined();
  });
});

describe('after the end', () => {
  test('media that is granted late is stopped', async () => {
    const { manager, platform } = setup();
    const permission = platform.withholdPermission();
    const starting = manager.start({ conversationId: 'c', type: 'video', calleeIds: ['bob'] });
    manager.all[0]?.hangup();
    permission.resolve();
    expect((await starting).state).toBe('ended');
    expect(platform.localMedia).toMatchObject({ disposed: 1, stream: undefined });
  });

  test('actions are rejected, and the statistics are empty', async () => {
    const { call } = await connected();
    call.hangup();
    await expect(call.setAudio(true)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(call.addParticipant('zoe')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await call.stats()).toEqual([]);
    call.stopScreenShare();
    await call.resumeAudio();
  });
});
