import type { Clock } from '../../../lib/clock.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import { audioLevel, detectSpeakers, NO_SPEAKERS, type AudioEnergy } from './active-speakers.ts';
import { rateConnection, readSample, type StatsSample } from './connection-quality.ts';
import type { PeerId, PeerStats } from './media-backend.ts';
import type { PeerConnection } from './peer-connection.ts';
import { countTimers } from './resource-counters.ts';

const LEVELS_INTERVAL_MS = 500;
/** Quality is measured with every fourth measurement of audio levels: about every 2 s. */
const STATS_EVERY = 4;

interface AudioStats {
  readonly type: string;
  readonly totalAudioEnergy?: number;
  readonly totalSamplesDuration?: number;
}

/** A connection that is currently connected. */
interface ConnectedPeer {
  readonly id: PeerId;
  readonly connection: PeerConnection;
}

/** What {@link StatsMonitor} measures, and where it reports. */
export interface StatsMonitorHost {
  /** User id to report the level of the local microphone under. */
  selfId(): string;
  connectedPeers(): readonly ConnectedPeer[];
  onQuality(stats: PeerStats): void;
  onLevels(levels: ReadonlyMap<string, number>): void;
  onSpeakers(userIds: readonly string[]): void;
  report(error: unknown): void;
}

/** Polls the statistics of all connections while at least one is connected: quality and active speakers. */
export class StatsMonitor {
  readonly #host: StatsMonitorHost;
  readonly #clock: Clock;
  readonly #timers: KeyedTimers<'poll'>;
  readonly #samples = new WeakMap<PeerConnection, StatsSample>();
  /** By user id, the local user included. */
  readonly #energies = new Map<string, AudioEnergy>();
  #speakers = NO_SPEAKERS;
  #reported: ReadonlyMap<string, number> = new Map();
  #polls = 0;
  #polling = false;
  #closed = false;

  constructor(clock: Clock, host: StatsMonitorHost) {
    this.#clock = clock;
    this.#host = host;
    this.#timers = new KeyedTimers(countTimers(clock));
  }

  /** Starts polling if a peer is connected. Call it when the state of a connection changes. */
  connectionsChanged(): void {
    if (!this.#polling && !this.#closed && this.#host.connectedPeers().length > 0) this.#schedule();
  }

  /** Measures one connection since its previous measurement. */
  async measure({ id, connection }: ConnectedPeer): Promise<PeerStats> {
    const report: Record<string, unknown>[] = [];
    (await connection.stats()).forEach((stat: Record<string, unknown>) => report.push(stat));
    const now = readSample(report);
    const before = this.#samples.get(connection) ?? now;
    this.#samples.set(connection, now);
    return { peer: id, ...rateConnection(before, now) };
  }

  /** Stops polling. */
  close(): void {
    this.#closed = true;
    this.#timers.clear();
  }

  #schedule(): void {
    this.#polling = true;
    this.#timers.set('poll', LEVELS_INTERVAL_MS, () => {
      this.#poll()
        .catch((error: unknown) => this.#host.report(error))
        .finally(() => {
          this.#polling = false;
          this.connectionsChanged();
        });
    });
  }

  async #poll(): Promise<void> {
    const peers = this.#host.connectedPeers();
    const levels = new Map<string, number>();
    for (const { id, connection } of peers)
      this.#addLevel(levels, id.userId, await audioEnergy(connection, 'receiver'));
    // Nothing is sent to participants who have put the call on hold.
    const sending = peers.find(({ connection: { mic } }) => (mic?.sender.track ?? null) !== null);
    if (sending !== undefined) {
      this.#addLevel(levels, this.#host.selfId(), await audioEnergy(sending.connection, 'sender'));
    }
    if (this.#closed) return;
    this.#reportLevels(levels);
    const before = this.#speakers;
    this.#speakers = detectSpeakers(before, levels, this.#clock.now());
    if (this.#speakers.active !== before.active) this.#host.onSpeakers(this.#speakers.active);
    this.#polls += 1;
    if (this.#polls % STATS_EVERY !== 0) return;
    for (const peer of peers) {
      const stats = await this.measure(peer);
      if (this.#closed) return;
      this.#host.onQuality(stats);
    }
  }

  /** Levels are rounded, so that silence changes nothing. */
  #reportLevels(levels: ReadonlyMap<string, number>): void {
    const rounded = new Map(Array.from(levels, ([userId, level]) => [userId, Math.round(level * 100) / 100]));
    const before = this.#reported;
    if (rounded.size === before.size && [...rounded].every(([userId, level]) => before.get(userId) === level)) return;
    this.#reported = rounded;
    this.#host.onLevels(rounded);
  }

  #addLevel(levels: Map<string, number>, userId: string, energy: AudioEnergy | undefined): void {
    if (energy === undefined) return;
    const before = this.#energies.get(userId);
    this.#energies.set(userId, energy);
    // The counters of a new connection start at zero.
    const comparable = before !== undefined && before.seconds <= energy.seconds ? before : undefined;
    levels.set(userId, audioLevel(comparable, energy));
  }
}

/** Returns the audio energy that was received, or captured by the local microphone. `undefined` if unknown. */
async function audioEnergy(
  { mic }: PeerConnection,
  direction: 'receiver' | 'sender',
): Promise<AudioEnergy | undefined> {
  let energy: AudioEnergy | undefined;
  (await mic?.[direction].getStats())?.forEach((stat: AudioStats) => {
    if (stat.type !== 'inbound-rtp' && stat.type !== 'media-source') return;
    const { totalAudioEnergy, totalSamplesDuration } = stat;
    if (totalAudioEnergy === undefined || totalSamplesDuration === undefined) return;
    energy = { totalEnergy: totalAudioEnergy, seconds: totalSamplesDuration };
  });
  return energy;
}
