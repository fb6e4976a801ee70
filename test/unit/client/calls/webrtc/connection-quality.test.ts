import { fc } from '../../../../helpers/property.ts';
import { expect, test } from 'vitest';
import {
  rateConnection,
  readSample,
  type StatsSample,
} from '../../../../../src/client/calls/webrtc/connection-quality.ts';
import { QualityTracker } from '../../../../../src/client/calls/webrtc/quality-tracker.ts';

const EMPTY: StatsSample = {
  rtt: undefined,
  jitter: undefined,
  received: 0,
  lost: 0,
  remoteFractionLost: 0,
  availableBandwidth: undefined,
};
const PERFECT: StatsSample = { ...EMPTY, rtt: 20, jitter: 5, received: 1_000 };

test.each<[title: string, now: Partial<StatsSample>, quality: string, packetLoss: number]>([
  ['no loss, low latency and jitter', {}, 'excellent', 0],
  ['1 % loss', { received: 990, lost: 10 }, 'good', 1],
  ['3 % loss', { received: 970, lost: 30 }, 'fair', 3],
  ['10 % loss', { received: 900, lost: 100 }, 'poor', 10],
  ['loss reported by the remote side', { remoteFractionLost: 0.04 }, 'fair', 4],
  ['a round trip of 149 ms', { rtt: 149 }, 'excellent', 0],
  ['a round trip of 150 ms', { rtt: 150 }, 'good', 0],
  ['a round trip of 300 ms', { rtt: 300 }, 'fair', 0],
  ['a round trip of 600 ms', { rtt: 600 }, 'poor', 0],
  ['jitter of 30 ms', { jitter: 30 }, 'good', 0],
  ['jitter of 100 ms', { jitter: 100 }, 'poor', 0],
  ['the worst value decides', { rtt: 160, jitter: 60, remoteFractionLost: 0.011 }, 'fair', 1.1],
  ['no packets and no measurements', { received: 0, rtt: undefined, jitter: undefined }, 'excellent', 0],
  ['late packets that reduce the loss', { lost: -5 }, 'excellent', 0],
])('%s', (_title, now, quality, packetLoss) => {
  const { rtt, jitter } = { ...PERFECT, ...now };
  expect(rateConnection(EMPTY, { ...PERFECT, ...now })).toEqual({
    quality,
    packetLoss,
    rtt,
    jitter,
    availableBandwidth: undefined,
  });
});

test('only packets since the previous sample count', () => {
  const before = { ...PERFECT, received: 1_000, lost: 1_000 };
  expect(rateConnection(before, { ...PERFECT, received: 2_000, lost: 1_000 }).quality).toBe('excellent');
});

test('a sample holds the highest jitter, the sum of packets and the nominated pair', () => {
  const sample = readSample([
    { type: 'inbound-rtp', packetsReceived: 10, packetsLost: 1, jitter: 0.001 },
    { type: 'inbound-rtp', packetsReceived: 20, packetsLost: 2, jitter: 0.05 },
    { type: 'remote-inbound-rtp', fractionLost: 0.25 },
    { type: 'candidate-pair', nominated: false, state: 'succeeded', currentRoundTripTime: 9 },
    {
      type: 'candidate-pair',
      nominated: true,
      state: 'succeeded',
      currentRoundTripTime: 0.0421,
      availableOutgoingBitrate: 300_400,
    },
    { type: 'transport', bytesSent: 1 },
  ]);
  expect(sample).toEqual({
    rtt: 42.1,
    jitter: 50,
    received: 30,
    lost: 3,
    remoteFractionLost: 0.25,
    availableBandwidth: 300,
  });
});

test('for any report the result is in its range', () => {
  const value = fc.oneof(fc.double(), fc.string(), fc.constant(undefined), fc.boolean());
  const stat = fc.record({
    type: fc.constantFrom('inbound-rtp', 'remote-inbound-rtp', 'candidate-pair'),
    packetsReceived: fc.oneof(fc.nat(), value),
    packetsLost: fc.oneof(fc.integer(), value),
    fractionLost: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(undefined)),
    jitter: value,
    nominated: fc.constant(true),
    state: fc.constant('succeeded'),
    currentRoundTripTime: value,
  });
  fc.assert(
    fc.property(fc.array(stat), fc.array(stat), (before, now) => {
      const { packetLoss = 0, quality } = rateConnection(readSample(before), readSample(now));
      expect(packetLoss).toBeGreaterThanOrEqual(0);
      expect(packetLoss).toBeLessThanOrEqual(100);
      expect(['excellent', 'good', 'fair', 'poor']).toContain(quality);
    }),
  );
});

test('the overall quality is that of the worst connection, and is reported when its level changes', () => {
  const report = (userId: string, quality: 'excellent' | 'good' | 'poor') => ({ callId: 'c', userId, quality });
  const tracker = new QualityTracker();
  expect(tracker.update(report('bob', 'good'), 'me')).toEqual(report('me', 'good'));
  expect(tracker.update(report('bob', 'good'), 'me')).toBeUndefined();
  expect(tracker.update(report('carol', 'poor'), 'me')).toEqual(report('me', 'poor'));
  expect(tracker.update(report('bob', 'excellent'), 'me')).toBeUndefined();
  tracker.remove('carol');
  expect(tracker.update(report('bob', 'excellent'), 'me')).toEqual(report('me', 'excellent'));
  expect([...tracker.reports.keys()]).toEqual(['bob']);
});
