import type { CallParticipant } from '../../protocol/calls.ts';
import type { PeerId } from './media-backend.ts';
import { Peers } from './peers.ts';
import { replaced, toggled, withParticipant, type Roster } from './roster.ts';
import type { SessionMedia } from './session-media.ts';
import { Toggles, type Sending } from './toggles.ts';

export interface MembersPorts {
  readonly userId: () => string;
  readonly now: () => string;
  /** Whether we are in the call ourselves. */
  readonly joined: () => boolean;
  readonly media: () => SessionMedia | undefined;
  /** @returns whether it was told */
  readonly tell: (changed: Partial<Sending>) => Promise<boolean>;
  readonly changed: () => void;
  /** Nothing is measured of them any more. */
  readonly left: (userId: string) => void;
}

/** Who is in the call and what they send, oneself among them; the media follows. */
export class Members {
  readonly #ports: MembersPorts;
  readonly #peers: Peers;
  readonly #toggles: Toggles;
  /** What the others think of our media, as the server has it. */
  #believed: Sending | undefined;
  roster: Roster = Object.freeze([]);

  /** @param assumed - what the others take for granted of whoever joins */
  constructor(ports: MembersPorts, assumed: Sending) {
    this.#ports = ports;
    this.#toggles = new Toggles(
      assumed,
      () => this.#sending(),
      (changed) => ports.tell(changed),
    );
    this.#peers = new Peers({
      peerJoined: (peer, offerer) => ports.media()?.backend.peerJoined(peer, offerer),
      peerLeft: (userId) => {
        ports.left(userId);
        ports.media()?.peerLeft(userId);
      },
    });
  }

  set(told: Roster): void {
    const { joined, media, userId, changed } = this.#ports;
    // What we send ourselves is known best here.
    const roster = joined() ? toggled(told, userId(), this.#sending()) : told;
    if (roster === this.roster) return;
    this.roster = roster;
    if (joined()) this.#peers.follow(roster, userId());
    media()?.share(new Set(roster.filter((each) => each.screenSharing).map((each) => each.userId)));
    changed();
  }

  /** All of them, as the server has them. */
  told(participants: readonly CallParticipant[]): void {
    const own = participants.find(({ userId }) => userId === this.#ports.userId());
    this.#believed = own && { audio: !own.audioMuted, video: !own.videoMuted, screenShare: own.screenSharing };
    this.set(replaced(this.roster, participants));
  }

  /** For a server that tells others of us, but not ourselves. */
  enter(): void {
    const userId = this.#ports.userId();
    if (this.roster.some((each) => each.userId === userId)) return;
    const { audio, video, screenShare } = this.#sending();
    const media = { audioMuted: !audio, videoMuted: !video, screenSharing: screenShare };
    this.set(withParticipant(this.roster, { userId, joinedAt: this.#ports.now(), ...media }));
  }

  /** Those who were in before us; whoever comes later is told to the media from now on. */
  join(begin: (before: readonly PeerId[]) => void): void {
    begin(this.#peers.roster(this.roster, this.#ports.userId()));
    this.#peers.follow(this.roster, this.#ports.userId());
    this.mediaChanged();
  }

  /** What we send has changed. */
  mediaChanged(): void {
    if (!this.#ports.joined()) return;
    this.set(this.roster);
    void this.#toggles.check();
  }

  /** There is a connection again: what could not be told is told now. */
  tellAgain(): void {
    if (this.#ports.joined()) void this.#toggles.check(this.#believed);
  }

  #sending(): Sending {
    const isOn = (slot: 'mic' | 'camera' | 'screen'): boolean => this.#ports.media()?.local.isOn(slot) === true;
    return { audio: isOn('mic'), video: isOn('camera'), screenShare: isOn('screen') };
  }
}
