import type { QualityLevel } from '../../protocol/vocabulary.ts';

/** What is counted of a connection since it began (W3C webrtc-stats). */
export interface QualitySample {
  /** Milliseconds. */
  readonly rtt: number | undefined;
  /** Milliseconds: the worst of what comes in. */
  readonly jitter: number | undefined;
  /** Packets. */
  readonly received: number;
  readonly lost: number;
  /** 0 to 1, of what the other side gets of ours: the worst. */
  readonly lostThere: number;
  /** kbit/s. */
  readonly availableBandwidth: number | undefined;
}

export interface Quality {
  readonly quality: QualityLevel;
  readonly rtt?: number | undefined;
  readonly packetLoss?: number | undefined;
  readonly jitter?: number | undefined;
  readonly availableBandwidth?: number | undefined;
}

type Stats = Readonly<Record<string, unknown>>;

/** Reads a stats report; whatever a browser leaves out stays unknown. */
export function readSample(report: Iterable<Stats>): QualitySample {
  let [rtt, jitter, availableBandwidth]: (number | undefined)[] = [];
  let [received, lost, lostThere] = [0, 0, 0];
  for (const stat of report) {
    if (stat['type'] === 'inbound-rtp') {
      received += number(stat['packetsReceived']) ?? 0;
      lost += number(stat['packetsLost']) ?? 0;
      jitter = worst(jitter, milli(stat['jitter']));
    } else if (stat['type'] === 'remote-inbound-rtp') {
      lostThere = Math.max(lostThere, number(stat['fractionLost']) ?? 0);
    } else if (stat['type'] === 'candidate-pair' && stat['nominated'] === true && stat['state'] === 'succeeded') {
      rtt = milli(stat['currentRoundTripTime']) ?? rtt;
      const bits = number(stat['availableOutgoingBitrate']);
      if (bits !== undefined) availableBandwidth = Math.round(bits / 1_000);
    }
  }
  return { rtt, jitter, received, lost, lostThere, availableBandwidth };
}

/** From each level on: percent lost, milliseconds of round trip, milliseconds of jitter. The worst of them counts. */
const LEVELS = [
  ['poor', 10, 600, 100],
  ['fair', 3, 300, 50],
  ['good', 1, 150, 30],
] as const satisfies readonly (readonly [QualityLevel, number, number, number])[];

/** How good it was between two samples of one connection. */
export function assess(before: QualitySample, now: QualitySample): Quality {
  // A late packet takes back its loss, so the difference can be negative.
  const lost = Math.max(0, now.lost - before.lost);
  const all = lost + Math.max(0, now.received - before.received);
  const packetLoss = round(100 * Math.min(1, Math.max(all === 0 ? 0 : lost / all, now.lostThere)));
  const { rtt, jitter, availableBandwidth } = now;
  const level = LEVELS.find(
    ([, loss, trip, shake]) => packetLoss >= loss || (rtt ?? 0) >= trip || (jitter ?? 0) >= shake,
  );
  return { quality: level?.[0] ?? 'excellent', rtt, packetLoss, jitter, availableBandwidth };
}

const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;
const round = (value: number): number => Math.round(value * 10) / 10;

function milli(seconds: unknown): number | undefined {
  const known = number(seconds);
  return known === undefined ? undefined : round(known * 1_000);
}

function worst(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}
