import { withoutKey } from '../../../lib/without-key.ts';
import type { ConnectionQualityReport } from '../../../protocol/calls.ts';
import { QUALITY_LEVELS, type QualityLevel } from '../../../protocol/constants.ts';
import { assignDefined } from '../../../transport/parse-rows.ts';
import type { PeerStats } from './media-backend.ts';

/** Holds the latest report of each peer, and derives the level to report to the server: that of the worst connection. */
export class QualityTracker {
  #reported: QualityLevel | undefined;
  #reports: ReadonlyMap<string, ConnectionQualityReport> = new Map();
  #levels: ReadonlyMap<string, QualityLevel> = new Map();

  /** By user id. A new map after each change. */
  get reports(): ReadonlyMap<string, ConnectionQualityReport> {
    return this.#reports;
  }

  /** The level that each participant reports for its worst connection, this device included. A new map after each change. */
  get levels(): ReadonlyMap<string, QualityLevel> {
    return this.#levels;
  }

  /** Stores the level that a participant reports. */
  setLevel(userId: string, level: QualityLevel): void {
    this.#levels = new Map(this.#levels).set(userId, level);
  }

  /** Stores a report. Returns what to send to the server, or `undefined` if the overall level didn't change. */
  update(report: ConnectionQualityReport, ownId: string): ConnectionQualityReport | undefined {
    this.#reports = new Map(this.#reports).set(report.userId, report);
    const worst = [...this.#reports.values()].reduce((a, b) => (severity(b) > severity(a) ? b : a));
    if (worst.quality === this.#reported) return undefined;
    this.#reported = worst.quality;
    this.setLevel(ownId, worst.quality);
    return { ...worst, userId: ownId };
  }

  /** Removes the values of a user who left the call. */
  remove(userId: string): void {
    if (this.#reports.has(userId)) this.#reports = withoutKey(this.#reports, userId);
    if (this.#levels.has(userId)) this.#levels = withoutKey(this.#levels, userId);
  }
}

/** Converts measurements of the media backend to a report of the protocol. */
export function toQualityReport(callId: string, { peer, quality, ...measures }: PeerStats): ConnectionQualityReport {
  const { rtt, packetLoss, jitter, availableBandwidth } = measures;
  const report: ConnectionQualityReport = { callId, userId: peer.userId, quality };
  return Object.freeze(assignDefined(report, { rtt, packetLoss, jitter, availableBandwidth }));
}

const severity = ({ quality }: ConnectionQualityReport): number => QUALITY_LEVELS.indexOf(quality);
