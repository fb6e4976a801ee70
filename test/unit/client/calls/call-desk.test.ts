import { describe, expect, test } from 'vitest';
import { CallDesk } from '../../../../src/client/calls/call-desk.ts';
import type { CallSession } from '../../../../src/client/calls/call-types.ts';
import { held } from '../../../../src/client/calls/held.ts';
import type { Call, CallParticipant } from '../../../../src/protocol/calls.ts';
import type { CallState } from '../../../../src/protocol/vocabulary.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';
import { FakePlatform } from '../../../helpers/client/fake-media.ts';

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

/** A desk whose server is answered by hand; alice's. */
function desk(): { desk: CallDesk; context: FakeContext; platform: FakePlatform; rung: CallSession[] } {
  const context = fakeContext();
  context.caps.add('multi-socket-call');
  const platform = new FakePlatform();
  const rung: CallSession[] = [];
  context.emitter.on('call', (call) => rung.push(call));
  return { desk: new CallDesk(context, { platform }), context, platform, rung };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Bob calls, and alice has accepted: the server hasn't answered yet. */
async function answering() {
  const made = desk();
  made.desk.pushed('call:incoming', callOf('ringing', participant('bob')));
  const [call] = made.rung;
  if (call === undefined) throw new Error('nothing rang');
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
  made.platform.links.connect('bob');
  return made;
}

describe('what is pushed', () => {
  test('while an answer is on its way is taken in behind it', async () => {
    const { desk: calls, call, answer, platform } = await answering();
    calls.pushed('call:participant-joined', { ...CALL, participant: participant('carol') });
    calls.pushed('call:media-changed', { ...CALL, userId: 'bob', audio: false });
    await answer();
    await settled();
    expect(call.participants.map(({ userId }) => userId)).toEqual(['bob', 'alice', 'carol']);
    expect(call.participants[0]).toMatchObject({ audioMuted: true });
    expect(platform.links.offers).toBe(1);
    call.hangup();
  });

  test('of signals before one has answered is kept, so many of them, in order', async () => {
    const { desk: calls, platform, rung, context } = desk();
    calls.pushed('call:incoming', callOf('ringing', participant('bob')));
    for (let count = 0; count < 300; count += 1) {
      const signal = { ...CALL, fromUserId: 'zoe', toUserId: 'alice', candidate: String(count) };
      calls.pushed('signal:ice-candidate', { ...signal, sdpMLineIndex: 0, sdpMid: '0' });
    }
    const [call] = rung;
    const accepting = call?.accept();
    await settled();
    const [asked] = context.open('call:respond');
    const { deviceId = '' } = (asked?.payload ?? {}) as { deviceId?: string };
    asked?.answer.resolve(callOf('connecting', participant('bob'), participant('alice', { deviceId })));
    await accepting;
    const kept = platform.links.signals.map((signal) => ('candidate' in signal ? signal.candidate : ''));
    expect(kept).toEqual(Array.from({ length: 256 }, (_, count) => String(count)));
    call?.hangup();
  });

  test.each([
    ['an end without a reason', 'call:state-changed', { ...CALL, state: 'over' }],
    ['another call', 'call:state-changed', { callId: 'y', state: 'ended' }],
    ['nobody', 'call:participant-joined', { ...CALL, participant: null }],
    ['oneself', 'call:participant-left', { ...CALL, userId: 'alice' }],
    ['no signal', 'signal:offer', { ...CALL, fromUserId: 'bob', sdp: 7 }],
    ['a stranger', 'call:media-changed', { ...CALL, userId: 'zoe', audio: 'loud' }],
    ['nothing', 'call:state-changed', null],
    ['the same ring again', 'call:incoming', callOf('ringing', participant('bob'))],
  ])('about %s changes nothing', async (_, event, data) => {
    const { desk: calls, call, rung } = await connected();
    const before = call.getSnapshot();
    calls.pushed(event, data);
    expect(call.getSnapshot()).toBe(before);
    expect(rung).toHaveLength(1);
    call.hangup();
  });

  test('about a call that is over is ignored, but it may ring anew', async () => {
    const { desk: calls, call, rung, context } = await connected();
    calls.pushed('call:state-changed', { ...CALL, state: 'ended', endReason: 'completed' });
    const states: string[] = [];
    call.on('state', (state) => states.push(state));
    calls.pushed('call:state-changed', { ...CALL, state: 'connecting' });
    expect([call.state, states]).toEqual(['ended', []]);
    calls.pushed('call:incoming', callOf('ringing', participant('bob')));
    expect(rung).toHaveLength(2);
    rung[1]?.reject();
    context.open('call:respond').at(-1)?.answer.resolve(null);
  });
});

describe('time', () => {
  test('a hiccup of two seconds is nobody’s business; longer is reconnecting, and back is back', async () => {
    const { call, platform, context } = await connected();
    platform.links.state('bob', 'disconnected');
    expect(call.getSnapshot()).toMatchObject({ state: 'connected', interrupted: ['bob'] });
    context.clock.advance(1_999);
    platform.links.state('bob', 'connected');
    context.clock.advance(10_000);
    expect(call.state).toBe('connected');
    platform.links.state('bob', 'disconnected');
    context.clock.advance(2_000);
    expect(call.state).toBe('reconnecting');
    platform.links.state('bob', 'connected');
    expect(call.getSnapshot()).toMatchObject({ state: 'connected', interrupted: [] });
    call.hangup();
  });

  test('a call that nobody answers ends here after a minute, should the server forget it', async () => {
    const { desk: calls, context } = desk();
    const starting = calls.start({ conversationId: 'c', type: 'audio', calleeIds: ['bob'] });
    await settled();
    context.open('call:initiate')[0]?.answer.resolve({ ...callOf('ringing', participant('alice')), callerId: 'alice' });
    const call = await starting;
    expect(call.state).toBe('ringing');
    context.clock.advance(60_000);
    expect(await call.ended).toBe('missed');
    expect(context.open('call:hangup')[0]?.payload).toEqual({ ...CALL, reason: 'missed' });
  });

  test('a goodbye that can’t be said is given up after a minute: nothing is left', async () => {
    const { call, context, platform } = await connected();
    context.line = 'down';
    call.hangup();
    await settled();
    expect(context.clock.pending).toBe(1);
    context.clock.advance(60_000);
    expect(context.clock.pending).toBe(0);
    expect(platform.listeners).toBe(0);
  });

  test('leaves nothing behind when the other side ends it', async () => {
    const { desk: calls, call, context, platform } = await connected();
    calls.pushed('call:state-changed', { ...CALL, state: 'ended', endReason: 'completed' });
    expect(await call.ended).toBe('completed');
    expect(context.clock.pending).toBe(0);
    expect(platform.listeners).toBe(0);
    expect(held).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
    expect(calls.active).toBeUndefined();
  });
});

describe('media that comes too late', () => {
  test('is stopped: whoever hangs up while the browser asks has no light on', async () => {
    const { desk: calls, platform } = desk();
    const permission = platform.ask();
    const starting = calls.start({ conversationId: 'c', type: 'video', calleeIds: ['bob'] });
    calls.active?.hangup();
    permission.resolve();
    expect((await starting).state).toBe('ended');
    expect(platform.devicesOfCall).toMatchObject({ disposed: 1, stream: undefined });
  });

  test('setting what a call has ended is refused, and asking for its numbers is empty', async () => {
    const { call } = await connected();
    call.hangup();
    await expect(call.setAudio(true)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(call.addParticipant('zoe')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await call.stats()).toEqual([]);
    call.stopScreenShare();
    await call.resumeAudio();
  });
});
