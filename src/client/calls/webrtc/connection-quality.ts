import type { QualityLevel } from '../../../protocol/constants.ts';
import type { PeerStats } from './media-backend.ts';

/** Counters of a connection since it began (W3C webrtc-stats). */
export interface StatsSample {
  /** Milliseconds. */
  readonly rtt: number | undefined;
  /** Milliseconds; the highest of all received streams. */
  readonly jitter: number | undefined;
  /** Packets. */
  readonly received: number;
  readonly lost: number;
  /** 0 to 1; the highest loss that the remote side reports for our streams. */
  readonly remoteFractionLost: number;
  /** kbit/s. */
  readonly availableBandwidth: number | undefined;
}

/** The rated quality of a connection. */
export type ConnectionQuality = Omit<PeerStats, 'peer'>;

type Stats = Readonly<Record<string, unknown>>;

/** Reads the entries of an RTCStatsReport. Values that a browser doesn't report stay `undefined`. */
export function readSample(report: Iterable<Stats>): StatsSample {
  let [rtt, jitter, availableBandwidth]: (number | undefined)[] = [];
  let [received, lost, remoteFractionLost] = [0, 0, 0];
  for (const stat of report) {
    if (stat['type'] === 'inbound-rtp') {
      received += number(stat['packetsReceived']) ?? 0;
      lost += number(stat['packetsLost']) ?? 0;
      jitter = highest(jitter, milliseconds(stat['jitter']));
    } else if (stat['type'] === 'remote-inbound-rtp') {
      remoteFractionLost = Math.max(remoteFractionLost, number(stat['fractionLost']) ?? 0);
    } else if (stat['type'] === 'candidate-pair' && stat['nominated'] === true && stat['state'] === 'succeeded') {
      rtt = milliseconds(stat['currentRoundTripTime']) ?? rtt;
      const bits = number(stat['availableOutgoingBitrate']);
      if (bits !== undefined) availableBandwidth = Math.round(bits / 1_000);
    }
  }
  return { rtt, jitter, received, lost, remoteFractionLost, availableBandwidth };
}

/** The lowest packet loss (percent), round-trip time (ms) and jitter (ms) of each level. One of them is enough. */
const THRESHOLDS = [
  ['poor', 10, 600, 100],
  ['fair', 3, 300, 50],
  ['good', 1, 150, 30],
] as const satisfies readonly (readonly [QualityLevel, number, number, number])[];

/** Rates a connection between two samples of it. */
export function rateConnection(before: StatsSample, now: StatsSample): ConnectionQuality {
  // Late packets reduce packetsLost, so the difference can be negative.
  const lost = Math.max(0, now.lost - before.lost);
  const total = lost + Math.max(0, now.received - before.received);
  const packetLoss = round(100 * Math.min(1, Math.max(total === 0 ? 0 : lost / total, now.remoteFractionLost)));
  const { rtt, jitter, availableBandwidth } = now;
  const level = THRESHOLDS.find(
    ([, minLoss, minRtt, minJitter]) => packetLoss >= minLoss || (rtt ?? 0) >= minRtt || (jitter ?? 0) >= minJitter,
  );
  return { quality: level?.[0] ?? 'excellent', rtt, packetLoss, jitter, availableBandwidth };
}

const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;
const round = (value: number): number => Math.round(value * 10) / 10;

function milliseconds(seconds: unknown): number | undefined {
  const known = number(seconds);
  return known === undefined ? undefined : round(known * 1_000);
}

function highest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}
