import type { CallSession } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setAttributes, setChildren } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { KeyedList, type ItemView } from '../lib/keyed-list.ts';
import { nameOf, titleOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { avatar } from '../ui/avatar.ts';
import { button, iconButton } from '../ui/button.ts';
import type { CallTarget } from './call-desk.ts';
import { RingSound } from './ring-sound.ts';
import { namesOf } from './words.ts';

/** Who calls. It takes no focus: somebody who is writing would answer with the next press of a key. */
export function ringPanel(session: Session): HTMLElement {
  const { calls, signal } = session;
  const sound = new RingSound();
  const rows = h('ul', { class: 'rings', 'aria-label': 'Calls that ring' });
  const list = new KeyedList<CallSession>(
    rows,
    ({ id }) => id,
    (ringing) => ringRow(session, ringing, sound),
  );
  const starting = h('li', { class: 'ring ring-starting', hidden: true });
  const element = h('div', { class: 'ring-corner' }, rows, h('ul', {}, starting));
  watch(
    [calls.ringing.subscribe, calls.starting.subscribe],
    () => {
      const ringing = calls.ringing.value;
      list.render(ringing);
      rows.hidden = ringing.length === 0;
      if (ringing.length > 0) sound.start();
      else sound.stop();
      const target = calls.starting.value;
      starting.hidden = target === undefined;
      setChildren(starting, ...(target === undefined ? [] : startingRow(session, target)));
    },
    signal,
  );
  signal.addEventListener('abort', () => sound.stop());
  return element;
}

function ringRow(session: Session, ringing: CallSession, sound: RingSound): ItemView<CallSession> {
  const { calls } = session;
  const { type } = ringing;
  const { name, where } = whoCalls(session, ringing);
  const what = type === 'video' ? 'Video call' : 'Call';
  const mute = iconButton({ label: 'Ring aloud', icon: 'sound' }, () => {
    sound.set(!sound.isOn);
    showMute();
  });
  const showMute = (): void => {
    setAttributes(mute, { 'aria-pressed': String(sound.isOn), title: sound.isOn ? 'Silence' : 'Ring aloud' });
    setChildren(mute, icon(sound.isOn ? 'sound' : 'sound-off'));
  };
  showMute();
  const decline = button({ label: 'Decline', icon: 'hang-up', class: 'button-danger' }, () => calls.decline(ringing));
  const plain = button(
    {
      label: type === 'video' ? 'Audio' : 'Accept',
      icon: 'phone',
      attributes: { 'aria-label': type === 'video' ? 'Accept without camera' : undefined },
    },
    () => calls.accept(ringing, 'audio'),
  );
  const video = button({ label: 'Accept', icon: 'camera', class: 'button-good' }, () => calls.accept(ringing, 'video'));
  if (type === 'audio') plain.classList.add('button-good');
  const element = h(
    'li',
    { class: 'ring', role: 'group', 'aria-label': `${name} is calling` },
    h('span', { class: 'ring-picture' }, avatar(name)),
    h(
      'span',
      { class: 'ring-text', role: 'alert' },
      h('strong', {}, `${name} is calling`),
      h('span', { class: 'muted' }, where === undefined ? what : `${what} in ${where}`),
    ),
    mute,
    h('div', { class: 'ring-actions' }, decline, plain, type === 'video' && video),
  );
  return { element, update: () => undefined };
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

/** For the panel and the title of the page. */
export function whoCalls(
  { client, userId }: Session,
  { conversationId, callerId }: CallSession,
): { name: string; where: string | undefined } {
  const { conversations } = client.conversations.inbox.getSnapshot();
  const conversation = conversations.find(({ id }) => id === conversationId);
  return { name: nameOf(callerId), where: conversation?.type === 'group' ? titleOf(conversation, userId) : undefined };
}
