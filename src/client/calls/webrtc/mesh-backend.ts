import type { Clock } from '../../../lib/clock.ts';
import { deferred } from '../../../lib/deferred.ts';
import { Emitter } from '../../../lib/emitter.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import { lazy } from '../../../lib/lazy.ts';
import type { RandomSource } from '../../../lib/random.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { FrameCryptor } from '../e2ee/frame-cryptor.ts';
import { SignalBuffer } from '../signaling/signal-buffer.ts';
import type {
  IncomingSignal,
  MediaBackend,
  MediaBackendEvents,
  MediaContext,
  PeerId,
  PeerStats,
  Slot,
} from './media-backend.ts';
import { assertValidConfig, type PeerConnection } from './peer-connection.ts';
import { PeerLink } from './peer-link.ts';
import { countTimers } from './resource-counters.ts';

/** After this time a connection starts with the previous configuration. */
const CONFIG_TIMEOUT_MS = 5_000;
/** Maximum number of peers whose signals are buffered before they join. */
const MAX_UNKNOWN_PEERS = 16;

const DEFAULT_MAX_BITRATE_KBPS = 2_500;

/** Dependencies of {@link MeshBackend}. */
export interface MeshBackendOptions {
  /** Limits the video to all peers together. */
  readonly maxBitrateKbps?: number | undefined;
  /** Limits the height of the camera video in pixels. */
  readonly maxHeight?: number | undefined;
  readonly clock: Clock;
  readonly random: Pick<RandomSource, 'bytes'>;
  /** Reports an error that recovery handles. */
  readonly report: (error: unknown) => void;
}

interface Peer {
  readonly id: PeerId;
  readonly link: PeerLink;
}
interface UnknownPeer {
  readonly id: PeerId;
  readonly signals: SignalBuffer<IncomingSignal>;
}

/**
 * A full mesh: one {@link PeerLink} to each other device. Participants who are in the call send an offer to those who
 * join later, so each pair has exactly one offerer.
 */
export class MeshBackend implements MediaBackend {
  readonly #options: MeshBackendOptions;
  readonly #emitter: Emitter<MediaBackendEvents>;
  /** Loaded when the first peer is connected. */
  readonly #monitor = lazy(async () => {
    const { StatsMonitor } = await import('./stats-monitor.ts');
    const { clock, report } = this.#options;
    return new StatsMonitor(clock, {
      selfId: () => this.#context?.self.userId ?? '',
      connectedPeers: () => this.#connectedPeers(),
      onQuality: (stats) => this.#emit('quality', stats),
      onLevels: (levels) => this.#emit('levels', levels),
      onSpeakers: (userIds) => this.#emit('speaker', { userIds }),
      report,
    });
  });
  readonly #iceServers = lazy(async () => {
    const { IceServerMonitor } = await import('./ice-server-monitor.ts');
    return new IceServerMonitor((error) => this.#emit('error', error));
  });
  readonly #tracks = new Map<Slot, MediaStreamTrack | null>();
  readonly #peers = new Map<string, Peer>();
  readonly #unknownPeers = new Map<string, UnknownPeer>();
  #onHold: ReadonlySet<string> = new Set();
  readonly #timers: KeyedTimers<'config'>;
  /** Peers that were added before `join()` completed. */
  readonly #queuedPeers: [peer: PeerId, offerer: 'self' | 'peer'][] = [];
  readonly #end = new AbortController();
  #joining = false;
  #context: MediaContext | undefined;
  #cryptor: FrameCryptor | undefined;
  #config: RTCConfiguration = {};
  #pendingConfig: Promise<RTCConfiguration> | undefined;
  #removeListener: (() => void) | undefined;

  constructor(options: MeshBackendOptions) {
    this.#options = options;
    this.#timers = new KeyedTimers(countTimers(options.clock));
    this.#emitter = new Emitter<MediaBackendEvents>(options.report);
  }

  on<K extends keyof MediaBackendEvents>(event: K, listener: (payload: MediaBackendEvents[K]) => void): () => void {
    return this.#emitter.on(event, listener);
  }

  async join(context: MediaContext): Promise<void> {
    if (this.#end.signal.aborted || this.#joining) return;
    if (context.abort.aborted) return this.close();
    this.#joining = true;
    context.abort.addEventListener('abort', () => this.close(), { signal: this.#end.signal });
    if (context.keys !== undefined) {
      const { FrameCryptor: Cryptor } = await import('../e2ee/frame-cryptor.ts');
      if (this.#end.signal.aborted) return;
      this.#cryptor = new Cryptor(context.keys, keyOf, this.#options);
    }
    this.#context = context;
    this.#removeListener = context.signal.onConnected(() => {
      for (const { link } of this.#peers.values()) link.signalingRestored();
    });
    for (const peer of context.roster) this.peerJoined(peer, 'peer');
    for (const [peer, offerer] of this.#queuedPeers.splice(0)) this.peerJoined(peer, offerer);
  }

  async setSlot(slot: Slot, track: MediaStreamTrack | null): Promise<void> {
    this.#tracks.set(slot, track);
    await Promise.all(Array.from(this.#peers.values(), ({ link }) => link.updateTrack(slot)));
    this.#updateEncodings();
  }

  peerJoined(id: PeerId, offerer: 'self' | 'peer'): void {
    if (this.#end.signal.aborted || this.#find(id) !== undefined) return;
    if (this.#context === undefined) {
      this.#queuedPeers.push([id, offerer]);
      return;
    }
    this.#cryptor?.peerJoined(id);
    const peer = this.#createPeer(id, this.#context);
    this.#peers.set(keyOf(id), peer);
    this.#emit('peerState', { peer: idOf(peer), state: 'connecting' });
    peer.link.start(offerer);
    this.#updateEncodings();
    for (const [key, unknown] of this.#unknownPeers) {
      if (!isSameDevice(unknown.id, id)) continue;
      this.#unknownPeers.delete(key);
      for (const message of unknown.signals.take()) peer.link.onSignal(message);
    }
  }

  peerLeft(id: PeerId): void {
    for (const [key, peer] of this.#peers) {
      if (!isSameDevice(peer.id, id)) continue;
      this.#peers.delete(key);
      peer.link.close();
      this.#cryptor?.peerLeft(peer.id);
      for (const [slot, track] of peer.link.takeTracks()) {
        this.#emit('trackEnded', { peer: idOf(peer), slot, track });
      }
    }
    this.#updateEncodings();
    this.#unknownPeers.delete(keyOf(id));
    const others = this.#queuedPeers.filter(([other]) => !isSameDevice(other, id));
    this.#queuedPeers.splice(0, this.#queuedPeers.length, ...others);
  }

  setOnHold(userIds: ReadonlySet<string>): void {
    const before = this.#onHold;
    this.#onHold = userIds;
    for (const { id, link } of this.#peers.values()) {
      if (before.has(id.userId) === userIds.has(id.userId)) continue;
      for (const slot of this.#tracks.keys()) void link.updateTrack(slot);
      this.#updateEncodings();
    }
  }

  onSignal(message: IncomingSignal): void {
    if (this.#end.signal.aborted) return;
    const peer = this.#find(message.from);
    if (peer !== undefined) {
      peer.link.onSignal(message);
      return;
    }
    const key = keyOf(message.from);
    let unknown = this.#unknownPeers.get(key);
    if (unknown === undefined) {
      if (this.#unknownPeers.size >= MAX_UNKNOWN_PEERS) return;
      unknown = { id: message.from, signals: new SignalBuffer(this.#options.clock) };
      this.#unknownPeers.set(key, unknown);
    }
    unknown.signals.push(message);
  }

  recover(): void {
    for (const { link } of this.#peers.values()) link.recover();
  }

  dataChannels(): [PeerId, RTCDataChannel][] {
    return [...this.#peers.values()].flatMap(({ id, link }) =>
      link.channel === undefined ? [] : [[id, link.channel]],
    );
  }

  async stats(): Promise<PeerStats[]> {
    const monitor = await this.#monitor();
    return Promise.all(this.#connectedPeers().map((peer) => monitor.measure(peer)));
  }

  async #onCandidateError(event: RTCPeerConnectionIceErrorEvent): Promise<void> {
    (await this.#iceServers()).onCandidateError(event);
  }

  async #onConnected(): Promise<void> {
    this.#updateEncodings();
    const monitor = await this.#monitor();
    if (!this.#end.signal.aborted) monitor.connectionsChanged();
  }

  #updateEncodings(): void {
    this.#divideBitrate().catch(this.#options.report);
  }

  /** Divides the bitrate among the peers. */
  async #divideBitrate(): Promise<void> {
    const { maxBitrateKbps = DEFAULT_MAX_BITRATE_KBPS, maxHeight } = this.#options;
    const receivers = [...this.#peers.values()].filter(({ id }) => !this.#onHold.has(id.userId));
    if (receivers.length === 0) return;
    const { videoEncoding } = await import('./video-encoding.ts');
    for (const slot of ['camera', 'screen'] as const) {
      const track = this.#tracks.get(slot);
      if (track === undefined || track === null) continue;
      const encoding = videoEncoding(slot, {
        maxBitrateKbps,
        maxHeight,
        receivers: receivers.length,
        isSharing: (this.#tracks.get('screen') ?? null) !== null,
        sourceHeight: track.getSettings().height,
      });
      for (const { link } of receivers) link.setEncoding(slot, encoding);
    }
  }

  close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#removeListener?.();
    this.#monitor.current?.close();
    this.#cryptor?.close();
    this.#timers.clear();
    for (const { link } of this.#peers.values()) link.close();
    this.#peers.clear();
    this.#unknownPeers.clear();
  }

  #createPeer(id: PeerId, { self, signal }: MediaContext): Peer {
    const { clock, report } = this.#options;
    const link = new PeerLink(
      {
        clock,
        report,
        trackOf: (slot) => (this.#onHold.has(id.userId) ? null : (this.#tracks.get(slot) ?? null)),
        get isSignalingUp() {
          return signal.connected;
        },
        sendSignal: (body, generation) => signal.send({ ...body, to: { ...id, generation } }),
        config: () => this.#iceConfig(),
        onCandidateError: (event) => void this.#onCandidateError(event).catch(report),
        onState: (state) => {
          if (state === 'failed') this.#iceServers.current?.onFailed();
          this.#emit('peerState', { peer: idOf(peer), state, encrypted: this.#cryptor?.isEncrypted(id) });
          if (state === 'connected') this.#onConnected().catch(report);
        },
        onTrack: (slot, track) => this.#emit('track', { peer: idOf(peer), slot, track }),
        onTrackEnded: (slot, track) => this.#emit('trackEnded', { peer: idOf(peer), slot, track }),
        onDataOpen: () => this.#emit('dataOpen', { peer: id }),
        onData: (text) => this.#emit('data', { peer: id, text }),
        onTransceiver: (slot, transceiver) => this.#cryptor?.attach(id, slot, transceiver),
      },
      keyOf(self) < keyOf(id),
    );
    const peer: Peer = { id, link };
    return peer;
  }

  #find(id: PeerId): Peer | undefined {
    const exact = this.#peers.get(keyOf(id));
    if (exact !== undefined) return exact;
    return [...this.#peers.values()].find((peer) => isSameDevice(peer.id, id));
  }

  #connectedPeers(): { id: PeerId; connection: PeerConnection }[] {
    return [...this.#peers.values()].flatMap((peer) => {
      const { connected: connection } = peer.link;
      return connection === undefined ? [] : [{ id: idOf(peer), connection }];
    });
  }

  #emit<K extends keyof MediaBackendEvents>(event: K, payload: MediaBackendEvents[K]): void {
    if (!this.#end.signal.aborted) this.#emitter.emit(event, payload);
  }

  /** Concurrent calls share one request. */
  #iceConfig(): Promise<RTCConfiguration> {
    this.#pendingConfig ??= this.#requestIceConfig().finally(() => (this.#pendingConfig = undefined));
    return this.#pendingConfig;
  }

  async #requestIceConfig(): Promise<RTCConfiguration> {
    try {
      const timeout = deferred<never>();
      this.#timers.set('config', CONFIG_TIMEOUT_MS, () =>
        timeout.reject(new CommError('TIMEOUT', `iceServers did not resolve within ${CONFIG_TIMEOUT_MS / 1_000} s`)),
      );
      const answer = await Promise.race([timeout.promise, this.#context?.iceServers()]);
      const config: RTCConfiguration = {
        iceServers: [...(answer?.iceServers ?? [])],
        iceTransportPolicy: answer?.iceTransportPolicy ?? 'all',
      };
      assertValidConfig(config);
      this.#config = config;
    } catch (error) {
      // Not awaited: the connection is attempted without these servers.
      this.#iceServers().then((monitor) => monitor.onConfigError(error), this.#options.report);
    } finally {
      this.#timers.cancel('config');
    }
    return { ...this.#config, bundlePolicy: 'max-bundle' };
  }
}

function idOf({ id, link }: Peer): PeerId {
  return { ...id, generation: link.generation };
}

function keyOf({ userId, deviceId }: PeerId): string {
  return `${userId}|${deviceId ?? ''}`;
}

/** Compares devices. A missing device id matches every device of the user, because base servers send none. */
function isSameDevice(a: PeerId, b: PeerId): boolean {
  if (a.userId !== b.userId) return false;
  return a.deviceId === undefined || b.deviceId === undefined || a.deviceId === b.deviceId;
}
