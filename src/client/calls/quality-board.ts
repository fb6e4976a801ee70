import type { ConnectionQualityReport } from '../../protocol/calls.ts';
import { QUALITY_LEVELS, type QualityLevel } from '../../protocol/vocabulary.ts';
import { assignDefined } from '../../transport/rows.ts';
import type { PeerStats } from './media-backend.ts';

/** The way to each of the others, and how good one's own connection is as a whole: as good as the worst of them. */
export class QualityBoard {
  #told: QualityLevel | undefined;
  reports: ReadonlyMap<string, ConnectionQualityReport> = new Map();

  /** @returns what the others are to be told, where the level has changed */
  measured(report: ConnectionQualityReport, ownId: string): ConnectionQualityReport | undefined {
    this.reports = new Map(this.reports).set(report.userId, report);
    const worst = [...this.reports.values()].reduce((a, b) => (level(b) > level(a) ? b : a));
    if (worst.quality === this.#told) return undefined;
    this.#told = worst.quality;
    return { ...worst, userId: ownId };
  }

  left(userId: string): void {
    if (!this.reports.has(userId)) return;
    const rest = new Map(this.reports);
    rest.delete(userId);
    this.reports = rest;
  }
}

export function reportOf(callId: string, { peer, quality, ...measures }: PeerStats): ConnectionQualityReport {
  const { rtt, packetLoss, jitter, availableBandwidth } = measures;
  const report: ConnectionQualityReport = { callId, userId: peer.userId, quality };
  return Object.freeze(assignDefined(report, { rtt, packetLoss, jitter, availableBandwidth }));
}

function level({ quality }: ConnectionQualityReport): number {
  return QUALITY_LEVELS.indexOf(quality);
}
