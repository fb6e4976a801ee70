import type { CallSession } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setAttributes, setChildren } from '../lib/dom.ts';
import { setIcon } from '../lib/icons.ts';
import { KeyedList, type ItemView } from '../lib/keyed-list.ts';
import { nameOf, titleOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { personAvatar } from '../ui/avatar.ts';
import { button, iconButton } from '../ui/button.ts';
import type { CallTarget } from './call-store.ts';
import { Ringtone } from './ringtone.ts';
import { namesOf } from './call-texts.ts';

/** Incoming calls. Takes no focus, because a key press of a user who is typing would accept the call. */
export function incomingCalls(session: Session): HTMLElement {
  const { calls, signal } = session;
  const ringtone = new Ringtone();
  const rows = h('ul', { class: 'rings', 'aria-label': 'Calls that ring' });
  const list = new KeyedList<CallSession>(
    rows,
    ({ id }) => id,
    (ringing) => incomingCallRow(session, ringing, ringtone),
  );
  const starting = h('li', { class: 'ring ring-starting', hidden: true });
  const element = h('section', { class: 'ring-corner', 'aria-label': 'Incoming calls' }, rows, h('ul', {}, starting));
  let shown: CallTarget | undefined;
  watch(
    [calls.ringing.subscribe, calls.starting.subscribe, calls.isFree.subscribe, calls.held.subscribe],
    () => {
      const ringing = calls.ringing.value;
      list.render(ringing);
      rows.hidden = ringing.length === 0;
      ringtone.isSoft = !calls.isFree.value;
      if (ringing.length > 0) ringtone.start();
      else ringtone.stop();
      const target = calls.starting.value;
      if (target === shown) return;
      shown = target;
      starting.hidden = target === undefined;
      setChildren(starting, ...(target === undefined ? [] : startingRow(session, target)));
    },
    signal,
  );
  signal.addEventListener('abort', () => ringtone.stop());
  return element;
}

function incomingCallRow(session: Session, ringing: CallSession, ringtone: Ringtone): ItemView<CallSession> {
  const { calls } = session;
  const { type } = ringing;
  const { name, where } = callerOf(session, ringing);
  const what = type === 'video' ? 'Video call' : 'Call';
  const mute = iconButton({ label: 'Ring aloud', icon: 'sound' }, () => {
    ringtone.set(!ringtone.isOn);
    showMute();
  });
  const showMute = (): void => {
    setAttributes(mute, { 'aria-pressed': String(ringtone.isOn), title: ringtone.isOn ? 'Silence' : 'Ring aloud' });
    setIcon(mute, ringtone.isOn ? 'sound' : 'sound-off');
  };
  showMute();
  const decline = button({ label: 'Decline', icon: 'hang-up', class: 'button-danger' }, () => calls.decline(ringing));
  const plain = button(
    {
      label: type === 'video' ? 'Audio' : 'Accept',
      icon: 'phone',
      attributes: { 'aria-label': type === 'video' ? 'Audio: accept without camera' : undefined },
    },
    () => calls.accept(ringing, 'audio'),
  );
  const video = button({ label: 'Accept', icon: 'camera', class: 'button-good' }, () => calls.accept(ringing, 'video'));
  if (type === 'audio') plain.classList.add('button-good');
  const hold = button({ label: 'Hold & accept', icon: 'pause', class: 'button-good' }, () =>
    calls.accept(ringing, type),
  );
  const group = h(
    'div',
    { class: 'ring', role: 'group', 'aria-label': `${name} is calling` },
    h('span', { class: 'ring-picture' }, personAvatar(ringing.callerId)),
    h(
      'span',
      { class: 'ring-text', role: 'alert' },
      h('strong', {}, `${name} is calling`),
      h('span', { class: 'muted' }, where === undefined ? what : `${what} in ${where}`),
    ),
    mute,
    h('div', { class: 'ring-actions' }, decline, plain, type === 'video' && video, hold),
  );
  return {
    element: h('li', {}, group),
    update() {
      const isInCall = !calls.isFree.value;
      plain.hidden = isInCall;
      video.hidden = isInCall;
      // A third call has to wait until one of the two has ended.
      hold.hidden = !isInCall || calls.held.value !== undefined;
    },
  };
}

function startingRow({ calls }: Session, { type, calleeIds }: CallTarget): HTMLElement[] {
  const who = namesOf(calleeIds);
  const device = type === 'video' ? 'camera and microphone' : 'microphone';
  return [
    h('span', { class: 'spinner', role: 'img', 'aria-label': 'Starting' }),
    h(
      'span',
      { class: 'ring-text', role: 'status' },
      h('strong', {}, `Calling ${who}`),
      h('span', { class: 'muted' }, `If the browser asks, allow it to use your ${device}.`),
    ),
    button({ label: 'Cancel', class: 'button-small' }, () => calls.cancel()),
  ];
}

/** Returns the name of the caller, and of the conversation for a group. */
export function callerOf(
  { client, userId }: Session,
  { conversationId, callerId }: CallSession,
): { name: string; where: string | undefined } {
  const { conversations } = client.conversations.inbox.getSnapshot();
  const conversation = conversations.find(({ id }) => id === conversationId);
  return { name: nameOf(callerId), where: conversation?.type === 'group' ? titleOf(conversation, userId) : undefined };
}
