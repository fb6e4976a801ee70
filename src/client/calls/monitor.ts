import type { Clock } from '../../lib/clock.ts';
import type { PeerId, PeerStats } from './media-backend.ts';
import type { Peer } from './peer.ts';
import { assess, readSample, type QualitySample } from './quality.ts';
import { hear, loudness, nobodySpeaks, type Energy } from './speakers.ts';
import { Timers } from './timers.ts';

const LEVELS_MS = 500;
/** Every so many looks at the levels, the statistics as well: about every 2 s. */
const STATS_EVERY = 4;

interface Watched {
  readonly id: PeerId;
  readonly peer: Peer;
}

export interface MonitorHost {
  /** Whose level the microphone's is. */
  self(): string;
  /** Those that are connected now. */
  watched(): readonly Watched[];
  quality(stats: PeerStats): void;
  speaking(userIds: readonly string[]): void;
  report(error: unknown): void;
}

/** Looks at the connections while there are any: how good they are, and who speaks. */
export class Monitor {
  readonly #host: MonitorHost;
  readonly #clock: Clock;
  readonly #timers: Timers<'look'>;
  readonly #samples = new WeakMap<Peer, QualitySample>();
  /** Of a peer, and of this side by any of them. */
  readonly #energies = new Map<string, Energy>();
  #speakers = nobodySpeaks;
  #looks = 0;
  #looking = false;
  #closed = false;

  constructor(clock: Clock, host: MonitorHost) {
    this.#clock = clock;
    this.#host = host;
    this.#timers = new Timers(clock);
  }

  /** A connection stands, or is gone. */
  changed(): void {
    if (!this.#looking && !this.#closed && this.#host.watched().length > 0) this.#next();
  }

  async measure({ id, peer }: Watched): Promise<PeerStats> {
    const report: Record<string, unknown>[] = [];
    (await peer.stats()).forEach((stat: Record<string, unknown>) => report.push(stat));
    const now = readSample(report);
    const before = this.#samples.get(peer) ?? now;
    this.#samples.set(peer, now);
    return { peer: id, ...assess(before, now) };
  }

  close(): void {
    this.#closed = true;
    this.#timers.clear();
  }

  #next(): void {
    this.#looking = true;
    this.#timers.arm('look', LEVELS_MS, () => {
      this.#look()
        .catch((error: unknown) => this.#host.report(error))
        .finally(() => {
          this.#looking = false;
          this.changed();
        });
    });
  }

  async #look(): Promise<void> {
    const watched = this.#host.watched();
    const levels = new Map<string, number>();
    for (const { id, peer } of watched) this.#add(levels, id.userId, await peer.energy('receiver'));
    this.#add(levels, this.#host.self(), await watched[0]?.peer.energy('sender'));
    if (this.#closed) return;
    const speakers = hear(this.#speakers, levels, this.#clock.now());
    const changed = speakers.speaking !== this.#speakers.speaking;
    this.#speakers = speakers;
    if (changed) this.#host.speaking(speakers.speaking);
    this.#looks += 1;
    if (this.#looks % STATS_EVERY !== 0) return;
    for (const each of watched) {
      const stats = await this.measure(each);
      if (this.#closed) return;
      this.#host.quality(stats);
    }
  }

  #add(levels: Map<string, number>, userId: string, energy: Energy | undefined): void {
    if (energy === undefined) return;
    const before = this.#energies.get(userId);
    this.#energies.set(userId, energy);
    // Another connection counts from its own beginning.
    const known = before !== undefined && before.seconds <= energy.seconds ? before : undefined;
    levels.set(userId, loudness(known, energy));
  }
}
