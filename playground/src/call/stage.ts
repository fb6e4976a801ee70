import type { CallParticipant, CallSession, CallSnapshot } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setChildren, setText } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { KeyedList } from '../lib/keyed-list.ts';
import { nameOf, titleOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { announce } from '../ui/announcer.ts';
import { button, iconButton } from '../ui/button.ts';
import { toast } from '../ui/toast.ts';
import { callControls } from './controls.ts';
import type { Speaker } from './device-menu.ts';
import { tileView, waitingView, type TileData } from './tile.ts';
import { callProblem, clockDuration, endWords, stateWords } from './words.ts';

const TICK_MS = 1_000;

/** One call: over the whole page, or small in a corner of it while one writes. */
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
  const tiles = h('ul', { class: 'tiles', 'aria-label': 'People in this call' });
  const self = h('ul', { class: 'tiles-self', 'aria-label': 'You' });
  const list = new KeyedList<TileData>(tiles, ({ key }) => key, tileView);
  const selfList = new KeyedList<TileData>(self, ({ key }) => key, tileView);
  const waiting = waitingView();
  const ending = h('div', { class: 'stage-ending', hidden: true });
  const controls = callControls(session, call, speakerOf(tiles), signal);
  const scene = h('div', { class: 'stage-scene' }, waiting.element, tiles, self);
  const element = h('section', { class: 'stage', tabindex: -1 }, header, notice, scene, ending, controls.element);
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
    [(listener) => call.subscribe(listener), calls.size.subscribe],
    () => {
      const snapshot = call.getSnapshot();
      const who = partnerOf(session, call);
      const others = othersIn(snapshot, userId);
      const isEnded = snapshot.state === 'ended';
      const isFull = calls.size.value === 'full';
      const words = isEnded ? endWords(snapshot, who) : (stateWords(snapshot, who) ?? '');
      setText(title, who);
      setText(status, words);
      lock.hidden = !snapshot.encrypted;
      renderClock();
      setAttributes(element, {
        'aria-label': `Call with ${who}`,
        'data-size': calls.size.value,
        'data-state': snapshot.state,
      });
      setAttributes(resize, { 'aria-label': isFull ? 'Make the call small' : 'Make the call large' });
      setAttributes(resize, { title: resize.getAttribute('aria-label') ?? '' });
      setChildren(resize, icon(isFull ? 'shrink' : 'expand'));
      resize.hidden = isEnded;
      list.render(isEnded ? [] : others);
      selfList.render(isEnded ? [] : ownTiles(snapshot, session));
      setAttributes(tiles, { 'data-count': isEnded ? 0 : others.length });
      const isWaiting = isEnded || others.length === 0;
      waiting.element.hidden = !isWaiting;
      // It stands in the middle then.
      status.hidden = isWaiting && isFull;
      waiting.update(who, words);
      showNotice(notice, call, snapshot);
      showEnding(ending, session, call, snapshot);
    },
    signal,
  );
  call.on(
    'state',
    (state) => {
      if (state === 'connected') announce(`Connected with ${partnerOf(session, call)}`);
      if (state === 'ended') announce(endWords(call.getSnapshot(), partnerOf(session, call)));
    },
    { signal },
  );
  call.on('participant-joined', (each) => announce(`${nameOf(each.userId)} is in the call`), { signal });
  call.on('participant-left', (each) => announce(`${nameOf(each.userId)} has left the call`), { signal });
  call.on('error', (error) => toast(callProblem(error)), { signal });
  call.on('local-ended', ({ slot, reason }) => toast(endedWords(slot, reason)), { signal });
  return element;
}

function partnerOf({ client, userId }: Session, { conversationId, callerId }: CallSession): string {
  const { conversations } = client.conversations.inbox.getSnapshot();
  const conversation = conversations.find(({ id }) => id === conversationId);
  return conversation === undefined ? nameOf(callerId) : titleOf(conversation, userId);
}

/** The screens first: they are what everybody looks at. */
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

function tileOf({ userId, audioMuted, videoMuted, screenSharing }: CallParticipant, snapshot: CallSnapshot): TileData {
  return {
    key: userId,
    name: nameOf(userId),
    kind: 'camera',
    isSelf: false,
    stream: undefined,
    hasVideo: !videoMuted,
    isCameraOff: videoMuted && snapshot.type === 'video',
    isMuted: audioMuted,
    isSharing: screenSharing,
    isSpeaking: snapshot.activeSpeakers.includes(userId),
    isInterrupted: snapshot.interrupted.includes(userId),
    quality: snapshot.quality.get(userId),
  };
}

function ownTiles(snapshot: CallSnapshot, { userId }: Session): TileData[] {
  const { localStream, localScreen, audio, video, screen, activeSpeakers, type } = snapshot;
  // In a call without any video one's own initials say nothing.
  if (type === 'audio' && !video && !screen) return [];
  const own: TileData = {
    key: 'self',
    name: nameOf(userId),
    kind: 'camera',
    isSelf: true,
    stream: localStream,
    hasVideo: video,
    isCameraOff: !video,
    isMuted: !audio,
    isSharing: screen,
    isSpeaking: activeSpeakers.includes(userId),
    isInterrupted: false,
    quality: undefined,
  };
  if (localScreen === undefined) return [own];
  return [own, screenOf({ ...own, key: 'self screen' }, localScreen)];
}

/** A screen is neither muted nor speaks: what is so of its owner stands beside it. */
function screenOf(owner: TileData, stream: MediaStream): TileData {
  const still = { isCameraOff: false, isMuted: false, isSharing: false, isSpeaking: false, isInterrupted: false };
  return { ...owner, ...still, kind: 'screen', stream, hasVideo: true, quality: undefined };
}

function showNotice(element: HTMLElement, call: CallSession, { audioBlocked, state }: CallSnapshot): void {
  const kind = state === 'ended' ? undefined : audioBlocked ? 'sound' : state === 'reconnecting' ? 'line' : undefined;
  if (element.dataset['kind'] === kind) return;
  element.hidden = kind === undefined;
  setAttributes(element, { 'data-kind': kind });
  if (kind === undefined) return setChildren(element);
  if (kind === 'line') return setChildren(element, 'The connection was lost. It is being restored…');
  const play = button({ label: 'Turn sound on', icon: 'sound', class: 'button-small' }, () => void call.resumeAudio());
  setChildren(element, h('span', {}, 'The browser plays no sound until you click.'), play);
}

/** Why it is over; where it never came to talking, with a way to try again. */
function showEnding(
  element: HTMLElement,
  session: Session,
  call: CallSession,
  { state, endReason, type }: CallSnapshot,
): void {
  if (state !== 'ended' || !element.hidden) return;
  const { calls, client, userId } = session;
  const { conversations } = client.conversations.inbox.getSnapshot();
  const conversation = conversations.find(({ id }) => id === call.conversationId);
  const isWorthIt = call.direction === 'outgoing' && endReason !== 'completed' && endReason !== 'cancelled';
  element.hidden = false;
  const again = button({ label: 'Call again', icon: 'phone', class: 'button-good' }, () => {
    if (conversation === undefined) return;
    calls.close();
    const calleeIds = conversation.participants.map((each) => each.userId).filter((id) => id !== userId);
    calls.start({ conversationId: call.conversationId, type, calleeIds });
  });
  const close = button({ label: 'Close' }, () => calls.close());
  setChildren(element, isWorthIt && again, close);
}

function endedWords(slot: string, reason: 'stopped' | 'unplugged'): string {
  if (slot === 'screen' || slot === 'screenAudio') return 'You no longer share your screen';
  const name = slot === 'mic' ? 'microphone' : 'camera';
  return reason === 'unplugged' ? `Your ${name} was unplugged, and there is no other one` : `Your ${name} has stopped`;
}

/** Every element that sounds, also those that come later. */
function speakerOf(tiles: HTMLElement): Speaker {
  let deviceId = '';
  const apply = async (): Promise<void> => {
    const videos = [...tiles.querySelectorAll('video')].filter((video) => video.sinkId !== deviceId);
    await Promise.all(videos.map((video) => video.setSinkId(deviceId)));
  };
  const later = new MutationObserver(() => {
    if (deviceId !== '') apply().catch(() => undefined);
  });
  later.observe(tiles, { childList: true });
  return {
    get deviceId() {
      return deviceId;
    },
    async use(wanted) {
      deviceId = wanted;
      await apply();
    },
  };
}
