import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assess, readSample, type QualitySample } from '../../../../src/client/calls/quality.ts';

const nothing: QualitySample = {
  rtt: undefined,
  jitter: undefined,
  received: 0,
  lost: 0,
  lostThere: 0,
  availableBandwidth: undefined,
};
const perfect: QualitySample = { ...nothing, rtt: 20, jitter: 5, received: 1_000 };

test.each<[title: string, now: Partial<QualitySample>, quality: string, packetLoss: number]>([
  ['nothing lost, near and steady', {}, 'excellent', 0],
  ['1 in 100 lost', { received: 990, lost: 10 }, 'good', 1],
  ['3 in 100 lost', { received: 970, lost: 30 }, 'fair', 3],
  ['10 in 100 lost', { received: 900, lost: 100 }, 'poor', 10],
  ['lost on the way there', { lostThere: 0.04 }, 'fair', 4],
  ['a round trip of 149 ms', { rtt: 149 }, 'excellent', 0],
  ['a round trip of 150 ms', { rtt: 150 }, 'good', 0],
  ['a round trip of 300 ms', { rtt: 300 }, 'fair', 0],
  ['a round trip of 600 ms', { rtt: 600 }, 'poor', 0],
  ['jitter of 30 ms', { jitter: 30 }, 'good', 0],
  ['jitter of 100 ms', { jitter: 100 }, 'poor', 0],
  ['the worst of them counts', { rtt: 160, jitter: 60, lostThere: 0.011 }, 'fair', 1.1],
  ['nothing came and nothing is known', { received: 0, rtt: undefined, jitter: undefined }, 'excellent', 0],
  ['late packets that take their loss back', { lost: -5 }, 'excellent', 0],
])('%s', (_title, now, quality, packetLoss) => {
  const { rtt, jitter } = { ...perfect, ...now };
  expect(assess(nothing, { ...perfect, ...now })).toEqual({
    quality,
    packetLoss,
    rtt,
    jitter,
    availableBandwidth: undefined,
  });
});

test('only what happened since the last sample counts', () => {
  const before = { ...perfect, received: 1_000, lost: 1_000 };
  expect(assess(before, { ...perfect, received: 2_000, lost: 1_000 }).quality).toBe('excellent');
});

test('a report is read: the worst jitter, all packets, the pair that carries', () => {
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
  expect(sample).toEqual({ rtt: 42.1, jitter: 50, received: 30, lost: 3, lostThere: 0.25, availableBandwidth: 300 });
});

test('whatever a report holds, what is told is in its range', () => {
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
      const { packetLoss = 0, quality } = assess(readSample(before), readSample(now));
      expect(packetLoss).toBeGreaterThanOrEqual(0);
      expect(packetLoss).toBeLessThanOrEqual(100);
      expect(['excellent', 'good', 'fair', 'poor']).toContain(quality);
    }),
  );
});
