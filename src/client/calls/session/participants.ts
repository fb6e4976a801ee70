import type { CallParticipant } from '../../../protocol/calls.ts';
import type { ClientContext } from '../../context.ts';
import type { SessionMedia } from '../media/session-media.ts';
import type { CallPush } from '../signaling/parse-call-push.ts';
import type { PeerId } from '../webrtc/media-backend.ts';
import { PeerRoster } from '../webrtc/peer-roster.ts';
import { MediaStatePublisher } from './media-state-publisher.ts';
import {
  withMediaState,
  withoutParticipant,
  withParticipant,
  withParticipants,
  type MediaState,
  type Roster,
} from './roster.ts';

/** A push that changes the participants. */
export type ParticipantPush = Extract<CallPush, { type: 'participant-joined' | 'participant-left' | 'media-changed' }>;

/** What {@link Participants} needs of its call. */
export interface ParticipantsHost {
  readonly context: Pick<ClientContext, 'userId' | 'clock'>;
  /** Returns whether this device has joined the call. */
  readonly isJoined: () => boolean;
  readonly media: () => SessionMedia | undefined;
  /** Returns whether this device has put the call on hold. */
  readonly isOnHold: () => boolean;
  /** Sends the changed media state. Resolves to whether the server received it. */
  readonly sendMediaState: (changed: Partial<MediaState>) => Promise<boolean>;
  readonly onChanged: () => void;
}

/** Holds the participants of a call, the local user included, and keeps the media backend's peers in step. */
export class Participants {
  readonly #host: ParticipantsHost;
  readonly #peers: PeerRoster;
  readonly #publisher: MediaStatePublisher;
  /** The media state of this device that the server has. */
  #publishedState: MediaState | undefined;
  #roster: Roster = Object.freeze([]);

  /** @param assumed - the media state that others assume of a participant who joins */
  constructor(host: ParticipantsHost, assumed: MediaState) {
    this.#host = host;
    this.#publisher = new MediaStatePublisher(
      assumed,
      () => this.localState,
      (changed) => host.sendMediaState(changed),
    );
    this.#peers = new PeerRoster({
      peerJoined: (peer, offerer) => host.media()?.backend.peerJoined(peer, offerer),
      peerLeft: (userId) => host.media()?.peerLeft(userId),
    });
  }

  /** The participants in join order. The same list while nothing changes. */
  get roster(): Roster {
    return this.#roster;
  }

  /** What this device sends. */
  get localState(): MediaState {
    const isSending = (slot: 'mic' | 'camera' | 'screen'): boolean =>
      this.#host.media()?.local.isSending(slot) === true;
    return {
      audioMuted: !isSending('mic'),
      videoMuted: !isSending('camera'),
      screenSharing: isSending('screen'),
      onHold: this.#host.isOnHold() || undefined,
    };
  }

  /** Applies a push. Returns the participant it concerns; `undefined` for the local user and for unknown users. */
  applyPush(push: ParticipantPush): CallParticipant | undefined {
    const userId = push.type === 'participant-joined' ? push.participant.userId : push.userId;
    if (userId === this.#userId) return undefined;
    const before = this.#find(userId);
    switch (push.type) {
      case 'participant-joined':
        this.#set(withParticipant(this.#roster, push.participant));
        return this.#find(userId);
      case 'participant-left':
        this.#set(withoutParticipant(this.#roster, userId));
        return before;
      case 'media-changed':
        this.#set(withMediaState(this.#roster, userId, push.media));
        return this.#find(userId);
    }
  }

  get #userId(): string {
    return this.#host.context.userId() ?? '';
  }

  #find(userId: string): CallParticipant | undefined {
    return this.#roster.find((each) => each.userId === userId);
  }

  /** The media state of the local user is replaced by what this device sends. */
  #set(roster: Roster): void {
    const { isJoined, media, onChanged } = this.#host;
    const next = isJoined() ? withMediaState(roster, this.#userId, this.localState) : roster;
    if (next === this.#roster) return;
    this.#roster = next;
    if (isJoined()) this.#peers.update(next, this.#userId);
    const usersWith = (field: 'screenSharing' | 'onHold'): Set<string> =>
      new Set(next.filter((each) => each[field]).map((each) => each.userId));
    media()?.setSharing(usersWith('screenSharing'));
    media()?.backend.setOnHold?.(usersWith('onHold'));
    onChanged();
  }

  /** Applies the complete list of participants that the server sent. */
  replace(participants: readonly CallParticipant[]): void {
    this.#publishedState = participants.find(({ userId }) => userId === this.#userId);
    this.#set(withParticipants(this.#roster, participants));
  }

  /** Adds the local user. Base servers don't send it. */
  addSelf(): void {
    const userId = this.#userId;
    const joinedAt = new Date(this.#host.context.clock.now()).toISOString();
    if (this.#find(userId) !== undefined) return;
    this.#set(withParticipant(this.#roster, { userId, joinedAt, ...this.localState }));
  }

  /** Calls `join` with the peers that joined before this device; later ones are added to the media backend. */
  join(join: (peers: readonly PeerId[]) => void): void {
    join(this.#peers.initialPeers(this.#roster, this.#userId));
    this.#peers.update(this.#roster, this.#userId);
    this.localMediaChanged();
  }

  /** Updates the local user and publishes what this device sends. */
  localMediaChanged(): void {
    if (!this.#host.isJoined()) return;
    this.#set(this.#roster);
    void this.#publisher.publish();
  }

  /** Publishes what could not be sent while disconnected. */
  republish(): void {
    if (this.#host.isJoined()) void this.#publisher.publish(this.#publishedState);
  }
}
