import type { Clock } from '../../../lib/clock.ts';
import { TokenBucket } from '../../../lib/token-bucket.ts';
import { withoutKey } from '../../../lib/without-key.ts';
import { isEmoji } from '../../../protocol/emoji.ts';
import type { ConnectionQualityReport } from '../../../protocol/calls.ts';
import type { QualityLevel } from '../../../protocol/constants.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { DataChannel, MediaBackend, PeerId, PeerStats } from '../webrtc/media-backend.ts';
import { QualityTracker, toQualityReport } from '../webrtc/quality-tracker.ts';
import { parseCallMessage, type CallMessage } from './call-message.ts';
import type { CallSessionEvents, CallSnapshot } from './call-types.ts';

/** Messages that this device sends. */
const SENT = { burst: 20, perSecond: 5 };
/**
 * Messages of one participant that are processed: twice the rate of an honest device, and what such a device sends during a
 * minute in which the connection stalls, which arrives at once. Further ones are dropped.
 */
const RECEIVED = { burst: 400, perSecond: 10 };
/** Number of messages dropped in one flood after which a participant is ignored. */
const MAX_DROPPED = 200;
/** Number of bytes that may wait to be sent to a peer. */
const MAX_BUFFERED_BYTES = 1_048_576;
/** Maximum length of the JSON of a value that the app sends, in UTF-16 code units. */
const MAX_DATA_LENGTH = 16_000;

/** The values of a call's snapshot that {@link CallActivity} holds. */
export type ActivitySnapshot = Pick<
  CallSnapshot,
  'activeSpeakers' | 'audioLevels' | 'quality' | 'participantQuality' | 'raisedHands'
>;

/** What {@link CallActivity} needs of its call. */
export interface CallActivityHost {
  readonly clock: Pick<Clock, 'now'>;
  readonly callId: () => string;
  /** The id of the local user. */
  readonly userId: () => string;
  /** Returns whether a user takes part with a connection to this device. */
  readonly isPeer: (userId: string) => boolean;
  /** `undefined` if the media backend carries no data. */
  readonly dataChannels: () => ReturnType<NonNullable<MediaBackend['dataChannels']>> | undefined;
  readonly onChanged: () => void;
  readonly onQualityLevel: (report: ConnectionQualityReport) => void;
  readonly emit: <K extends 'quality' | 'active-speakers' | 'reaction' | 'data'>(
    event: K,
    payload: CallSessionEvents[K],
  ) => void;
}

/** The messages of one participant. */
interface Received {
  readonly bucket: TokenBucket;
  /** Number of messages dropped since the bucket was full or the channel was opened. */
  dropped: number;
}

/**
 * What participants do during a call: how loud they are, how well they are connected, raised hands, reactions and messages
 * of the app. Loaded when the first of it occurs.
 */
export class CallActivity {
  readonly #host: CallActivityHost;
  readonly #quality = new QualityTracker();
  readonly #sent: TokenBucket;
  readonly #received = new Map<string, Received>();
  #activeSpeakers: readonly string[] = Object.freeze([]);
  #audioLevels: ReadonlyMap<string, number> = new Map();
  #raisedHands: readonly string[] = Object.freeze([]);
  #hasEnded = false;

  constructor(host: CallActivityHost) {
    this.#host = host;
    this.#sent = new TokenBucket(SENT, host.clock.now());
  }

  get snapshot(): ActivitySnapshot {
    return {
      activeSpeakers: this.#activeSpeakers,
      audioLevels: this.#audioLevels,
      quality: this.#quality.reports,
      participantQuality: this.#quality.levels,
      raisedHands: this.#raisedHands,
    };
  }

  /** Raises or lowers the hand of the local user. @throws CommError `RATE_LIMITED`, `UNSUPPORTED` */
  raiseHand(raised: boolean): void {
    if (typeof raised !== 'boolean') throw new TypeError('raised must be a boolean');
    const { userId } = this.#host;
    if (this.#raisedHands.includes(userId()) === raised) return;
    this.#send({ type: 'hand', raised });
    this.#setHand(userId(), raised);
  }

  /** Sends a reaction. @throws CommError `RATE_LIMITED`, `UNSUPPORTED` */
  react(emoji: string): void {
    if (!isEmoji(emoji)) throw new TypeError('emoji must be a single emoji');
    this.#send({ type: 'reaction', emoji });
    this.#host.emit('reaction', Object.freeze({ userId: this.#host.userId(), emoji }));
  }

  /** Sends a value of the app. @throws CommError `RATE_LIMITED`, `UNSUPPORTED`, `MESSAGE_TOO_LONG` */
  send(data: unknown): void {
    // `undefined` for values that JSON doesn't have, although the type says otherwise.
    const json = JSON.stringify(data) as string | undefined;
    if (json === undefined) throw new TypeError('data must be a JSON value');
    if (json.length > MAX_DATA_LENGTH) {
      throw new CommError('MESSAGE_TOO_LONG', `data must have at most ${MAX_DATA_LENGTH} characters as JSON`);
    }
    this.#send({ type: 'data', data });
  }

  /** Tells a peer to which data can be sent whether the hand of the local user is raised. */
  onDataOpen(peer: PeerId): void {
    const received = this.#received.get(peer.userId);
    if (received !== undefined) received.dropped = 0;
    const raised = this.#raisedHands.includes(this.#host.userId());
    for (const channel of this.#channels(peer)) send(channel, { type: 'hand', raised });
  }

  /** Processes a message of a peer. */
  onData(peer: PeerId, text: string): void {
    const { userId } = peer;
    const { clock, isPeer, emit } = this.#host;
    // A message may have waited until this module had loaded.
    if (!isPeer(userId)) return;
    const now = clock.now();
    const received = this.#received.get(userId) ?? { bucket: new TokenBucket(RECEIVED, now), dropped: 0 };
    this.#received.set(userId, received);
    // The flood is over.
    if (received.bucket.full(now)) received.dropped = 0;
    if (received.bucket.take(now) > 0) {
      received.dropped += 1;
      if (received.dropped > MAX_DROPPED) for (const channel of this.#channels(peer)) channel.close();
      return;
    }
    const message = parseCallMessage(text);
    if (message?.type === 'hand') this.#setHand(userId, message.raised);
    else if (message?.type === 'reaction') emit('reaction', Object.freeze({ userId, emoji: message.emoji }));
    else if (message?.type === 'data') emit('data', Object.freeze({ userId, data: message.data }));
  }

  /** Converts measurements of the media backend to reports. */
  toReports(measured: readonly PeerStats[]): ConnectionQualityReport[] {
    return measured.map((each) => toQualityReport(this.#host.callId(), each));
  }

  /** Processes a measurement. */
  onQuality(stats: PeerStats): void {
    const { callId, userId, onQualityLevel, emit, onChanged } = this.#host;
    const report = toQualityReport(callId(), stats);
    const changed = this.#quality.update(report, userId());
    if (changed !== undefined) onQualityLevel(changed);
    emit('quality', report);
    onChanged();
  }

  /** Stores the connection quality that a participant reports. */
  onParticipantQuality(userId: string, level: QualityLevel): void {
    this.#quality.setLevel(userId, level);
    this.#host.onChanged();
  }

  onLevels(levels: ReadonlyMap<string, number>): void {
    this.#audioLevels = levels;
    this.#host.onChanged();
  }

  onSpeakers(userIds: readonly string[]): void {
    this.#activeSpeakers = Object.freeze([...userIds]);
    this.#host.emit('active-speakers', this.#activeSpeakers);
    this.#host.onChanged();
  }

  /** Removes what is known of a user who left. */
  peerLeft(userId: string): void {
    this.#quality.remove(userId);
    this.#received.delete(userId);
    this.#audioLevels = withoutKey(this.#audioLevels, userId);
    this.#setHand(userId, false);
  }

  /** The call has ended: no participant speaks or raises a hand. The last quality reports remain. */
  end(): void {
    this.#hasEnded = true;
    this.#activeSpeakers = Object.freeze([]);
    this.#audioLevels = new Map();
    this.#raisedHands = Object.freeze([]);
  }

  #send(message: CallMessage): void {
    const { dataChannels, clock } = this.#host;
    if (this.#hasEnded) throw new CommError('NOT_FOUND', 'The call has ended');
    const channels = dataChannels();
    if (channels === undefined) throw new CommError('UNSUPPORTED', 'The media backend carries no data');
    const retryAfterMs = this.#sent.take(clock.now());
    if (retryAfterMs > 0) throw new CommError('RATE_LIMITED', 'Too many messages in the call', { retryAfterMs });
    for (const [, channel] of channels) send(channel, message);
  }

  #channels({ userId }: PeerId): DataChannel[] {
    const channels = this.#host.dataChannels() ?? [];
    return channels.filter(([peer]) => peer.userId === userId).map(([, channel]) => channel);
  }

  #setHand(userId: string, raised: boolean): void {
    if (this.#raisedHands.includes(userId) === raised) return;
    const others = this.#raisedHands.filter((each) => each !== userId);
    this.#raisedHands = Object.freeze(raised ? [...others, userId] : others);
    this.#host.onChanged();
  }
}

/** Sends a message, unless the channel is not open or the peer receives too slowly. */
function send(channel: DataChannel, message: CallMessage): void {
  const { readyState, bufferedAmount } = channel;
  if (readyState === 'open' && bufferedAmount < MAX_BUFFERED_BYTES) channel.send(JSON.stringify(message));
}
