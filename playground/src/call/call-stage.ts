import type { CallParticipant, CallSession, CallSnapshot, Conversation } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setChildren, setText } from '../lib/dom.ts';
import { icon, setIcon } from '../lib/icons.ts';
import { KeyedList } from '../lib/keyed-list.ts';
import { nameOf, otherIn, titleOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { announce } from '../ui/announcer.ts';
import { button, iconButton } from '../ui/button.ts';
import { toast } from '../ui/toast.ts';
import { callControls } from './call-controls.ts';
import type { Speaker } from './device-menu.ts';
import { tileView, waitingView, type TileData } from './participant-tile.ts';
import { callErrorText, clockDuration, endText, stateText } from './call-texts.ts';

const TICK_MS = 1_000;
const REACTION_VISIBLE_MS = 6_000;
const MAX_REACTIONS = 6;

/** The call view: fills the page, or is shown small in a corner while the user chats. */
export function callStage(session: Session, call: CallSession, signal: AbortSignal): HTMLElement {
  const { calls, userId } = session;
  const title = h('h2', { class: 'stage-title' });
  const status = h('span', { class: 'stage-status', role: 'status' });
  const clock = h('span', { class: 'stage-clock', role: 'timer', 'aria-label': 'Duration' });
  const lock = h(
    'span',
    {
      class: 'stage-lock',
      role: 'img',
      'aria-label': 'Encrypted end to end',
      title: 'Encrypted end to end',
      hidden: true,
    },
    icon('lock', 16),
  );
  const resize = iconButton({ label: 'Make the call small', icon: 'shrink' }, () =>
    calls.size.set(calls.size.value === 'full' ? 'compact' : 'full'),
  );
  const header = h(
    'header',
    { class: 'stage-header' },
    h('div', { class: 'stage-text' }, title, lock, status, clock),
    resize,
  );
  const notice = h('div', { class: 'stage-notice', role: 'alert', hidden: true });
  const heldText = h('span', {});
  const swap = button({ label: 'Swap', icon: 'forward', class: 'button-small' }, () => {
    calls.swap().catch((error: unknown) => toast(callErrorText(error)));
  });
  const held = h('div', { class: 'stage-notice stage-held', role: 'status', hidden: true }, heldText, swap);
  const tiles = h('ul', { class: 'tiles', 'aria-label': 'People in this call' });
  const self = h('ul', { class: 'tiles-self', 'aria-label': 'You' });
  const list = new KeyedList<TileData>(tiles, ({ key }) => key, tileView);
  const selfList = new KeyedList<TileData>(self, ({ key }) => key, tileView);
  const waiting = waitingView();
  const ending = h('div', { class: 'stage-ending', hidden: true });
  const controls = callControls(session, call, speakerOf(tiles), signal);
  const reactions = reactionLog(signal);
  const scene = h('div', { class: 'stage-scene' }, waiting.element, tiles, self, reactions.element);
  const element = h('section', { class: 'stage', tabindex: -1 }, header, notice, held, scene, ending, controls.element);
  on(element, 'keydown', (event) => {
    if (event.key === 'Escape' && calls.size.value === 'full') calls.size.set('compact');
    else controls.key(event);
  });

  const renderClock = (): void => {
    const { answeredAt, state } = call.getSnapshot();
    clock.hidden = answeredAt === undefined || state !== 'connected';
    if (answeredAt !== undefined) setText(clock, clockDuration(Math.max(0, Date.now() - Date.parse(answeredAt))));
  };
  const timer = setInterval(renderClock, TICK_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  watch(
    [(listener) => call.subscribe(listener), calls.size.subscribe, calls.held.subscribe],
    () => {
      const snapshot = call.getSnapshot();
      const who = partnerOf(session, call);
      const others = othersIn(snapshot, userId);
      const isEnded = snapshot.state === 'ended';
      const isFull = calls.size.value === 'full';
      const text = isEnded ? endText(snapshot, who) : (stateText(snapshot, who) ?? '');
      setText(title, who);
      setText(status, text);
      lock.hidden = !snapshot.encrypted;
      renderClock();
      setAttributes(element, {
        'aria-label': `Call with ${who}`,
        'data-size': calls.size.value,
        'data-state': snapshot.state,
      });
      setAttributes(resize, { 'aria-label': isFull ? 'Make the call small' : 'Make the call large' });
      setAttributes(resize, { title: resize.getAttribute('aria-label') ?? '' });
      setIcon(resize, isFull ? 'shrink' : 'expand');
      resize.hidden = isEnded;
      list.render(isEnded ? [] : others);
      selfList.render(isEnded ? [] : ownTiles(snapshot, session));
      setAttributes(tiles, { 'data-count': isEnded ? 0 : others.length });
      const isWaiting = isEnded || others.length === 0;
      waiting.element.hidden = !isWaiting;
      // The same text is shown in the middle.
      status.hidden = isWaiting && isFull;
      waiting.update(who, partnerIdOf(session, call), text);
      const other = calls.held.value;
      held.hidden = other === undefined || isEnded;
      setText(heldText, other === undefined ? '' : `${partnerOf(session, other)} is on hold`);
      showNotice(notice, call, snapshot);
      showEnding(ending, session, call, snapshot);
    },
    signal,
  );
  call.on(
    'state',
    (state) => {
      if (state === 'connected') announce(`Connected with ${partnerOf(session, call)}`);
      if (state === 'ended') announce(endText(call.getSnapshot(), partnerOf(session, call)));
    },
    { signal },
  );
  call.on('participant-joined', (each) => announce(`${nameOf(each.userId)} is in the call`), { signal });
  call.on('participant-left', (each) => announce(`${nameOf(each.userId)} has left the call`), { signal });
  call.on('reaction', (each) => reactions.add(each.emoji, each.userId === userId ? 'You' : nameOf(each.userId)), {
    signal,
  });
  call.on('error', (error) => toast(callErrorText(error)), { signal });
  call.on('local-track-ended', ({ slot, reason }) => toast(trackEndedText(slot, reason)), { signal });
  return element;
}

function conversationOf({ client }: Session, { conversationId }: CallSession): Conversation | undefined {
  return client.conversations.inbox.getSnapshot().conversations.find(({ id }) => id === conversationId);
}

function partnerOf(session: Session, call: CallSession): string {
  const conversation = conversationOf(session, call);
  return conversation === undefined ? nameOf(call.callerId) : titleOf(conversation, session.userId);
}

/** Returns the id of the other participant or of the group, which gives the color of the avatar. */
function partnerIdOf(session: Session, call: CallSession): string {
  const conversation = conversationOf(session, call);
  if (conversation === undefined) return call.callerId;
  return otherIn(conversation, session.userId)?.userId ?? conversation.id;
}

/** Returns the tiles of the other participants, shared screens first. */
function othersIn(snapshot: CallSnapshot, ownId: string): TileData[] {
  const { participants, remoteStreams, remoteScreens } = snapshot;
  const others = participants.filter(({ userId }) => userId !== ownId);
  const screens = others.flatMap((each): TileData[] => {
    const stream = remoteScreens.get(each.userId);
    if (stream === undefined || !each.screenSharing) return [];
    return [screenOf({ ...tileOf(each, snapshot), key: `${each.userId} screen` }, stream)];
  });
  return [...screens, ...others.map((each) => ({ ...tileOf(each, snapshot), stream: remoteStreams.get(each.userId) }))];
}

function tileOf(
  { userId, audioMuted, videoMuted, screenSharing, onHold }: CallParticipant,
  snapshot: CallSnapshot,
): TileData {
  return {
    key: userId,
    name: nameOf(userId),
    userId,
    kind: 'camera',
    isSelf: false,
    stream: undefined,
    hasVideo: !videoMuted,
    isCameraOff: videoMuted && snapshot.type === 'video',
    isMuted: audioMuted,
    isSharing: screenSharing,
    isSpeaking: snapshot.activeSpeakers.includes(userId),
    isHandRaised: snapshot.raisedHands.includes(userId),
    isInterrupted: snapshot.interrupted.includes(userId),
    isOnHold: onHold === true,
    quality: snapshot.quality.get(userId),
  };
}

function ownTiles(snapshot: CallSnapshot, { userId }: Session): TileData[] {
  const { localStream, localScreen, audioMuted, videoMuted, screenSharing, activeSpeakers, raisedHands, type } =
    snapshot;
  // In an audio call the own tile would only show initials.
  if (type === 'audio' && videoMuted && !screenSharing) return [];
  const own: TileData = {
    key: 'self',
    name: nameOf(userId),
    userId,
    kind: 'camera',
    isSelf: true,
    stream: localStream,
    hasVideo: !videoMuted,
    isCameraOff: videoMuted,
    isMuted: audioMuted,
    isSharing: screenSharing,
    isSpeaking: activeSpeakers.includes(userId),
    isHandRaised: raisedHands.includes(userId),
    isInterrupted: false,
    isOnHold: false,
    quality: undefined,
  };
  if (localScreen === undefined) return [own];
  return [own, screenOf({ ...own, key: 'self screen' }, localScreen)];
}

/** Returns the tile of a shared screen, without the marks of its owner's tile. */
function screenOf(owner: TileData, stream: MediaStream): TileData {
  const still = {
    isCameraOff: false,
    isMuted: false,
    isSharing: false,
    isSpeaking: false,
    isHandRaised: false,
    isInterrupted: false,
    isOnHold: false,
  };
  return { ...owner, ...still, kind: 'screen', stream, hasVideo: true, quality: undefined };
}

function showNotice(element: HTMLElement, call: CallSession, { audioBlocked, state }: CallSnapshot): void {
  const kind =
    state === 'ended' ? undefined : audioBlocked ? 'sound' : state === 'reconnecting' ? 'connection' : undefined;
  if (element.dataset['kind'] === kind) return;
  element.hidden = kind === undefined;
  setAttributes(element, { 'data-kind': kind });
  if (kind === undefined) return setChildren(element);
  if (kind === 'connection') return setChildren(element, 'The connection was lost. It is being restored…');
  const play = button({ label: 'Turn sound on', icon: 'sound', class: 'button-small' }, () => void call.resumeAudio());
  setChildren(element, h('span', {}, 'The browser plays no sound until you click.'), play);
}

/** Shows the actions after a call. A call that was not answered can be repeated. */
function showEnding(
  element: HTMLElement,
  session: Session,
  call: CallSession,
  { state, endReason, type }: CallSnapshot,
): void {
  if (state !== 'ended' || !element.hidden) return;
  const { calls, userId } = session;
  const conversation = conversationOf(session, call);
  const canRepeat = call.direction === 'outgoing' && endReason !== 'completed' && endReason !== 'cancelled';
  element.hidden = false;
  const again = button({ label: 'Call again', icon: 'phone', class: 'button-good' }, () => {
    if (conversation === undefined) return;
    calls.close();
    const calleeIds = conversation.participants.map((each) => each.userId).filter((id) => id !== userId);
    calls.start({ conversationId: call.conversationId, type, calleeIds });
  });
  const close = button({ label: 'Close' }, () => calls.close());
  setChildren(element, canRepeat && again, close);
}

/** Shows the latest reactions, each for some seconds. */
function reactionLog(signal: AbortSignal): { element: HTMLElement; add(emoji: string, name: string): void } {
  const element = h('div', { class: 'stage-reactions', role: 'log', 'aria-label': 'Reactions' });
  const timers = new Set<ReturnType<typeof setTimeout>>();
  signal.addEventListener('abort', () => timers.forEach(clearTimeout));
  return {
    element,
    add(emoji, name) {
      const row = h('span', { class: 'stage-reaction' }, h('span', { class: 'reaction-emoji' }, emoji), ` ${name}`);
      element.append(row);
      if (element.children.length > MAX_REACTIONS) element.firstElementChild?.remove();
      const timer = setTimeout(() => {
        timers.delete(timer);
        row.remove();
      }, REACTION_VISIBLE_MS);
      timers.add(timer);
    },
  };
}

function trackEndedText(slot: string, reason: 'stopped' | 'unplugged'): string {
  if (slot === 'screen' || slot === 'screenAudio') return 'You no longer share your screen';
  const name = slot === 'mic' ? 'microphone' : 'camera';
  return reason === 'unplugged' ? `Your ${name} was unplugged, and there is no other one` : `Your ${name} has stopped`;
}

/** Applies the selected speaker to all media elements, including those added later. */
function speakerOf(tiles: HTMLElement): Speaker {
  let deviceId = '';
  const apply = async (): Promise<void> => {
    const videos = [...tiles.querySelectorAll('video')].filter((video) => video.sinkId !== deviceId);
    await Promise.all(videos.map((video) => video.setSinkId(deviceId)));
  };
  const observer = new MutationObserver(() => {
    if (deviceId !== '') apply().catch(() => undefined);
  });
  observer.observe(tiles, { childList: true });
  return {
    get deviceId() {
      return deviceId;
    },
    async use(selected) {
      deviceId = selected;
      await apply();
    },
  };
}
