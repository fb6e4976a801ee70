import { isCommError, type CallSession } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes } from '../lib/dom.ts';
import { setIcon, type IconName } from '../lib/icons.ts';
import { watch } from '../lib/watch.ts';
import { pickReaction } from '../conversation/reaction-picker.ts';
import { iconButton } from '../ui/button.ts';
import { toast } from '../ui/toast.ts';
import { openDeviceMenu, type Speaker } from './device-menu.ts';
import { isGroupCall, openParticipantsMenu, participantItems } from './participants-menu.ts';
import { callErrorText } from './call-texts.ts';

/** The toolbar of a call. The keys M, V and H work anywhere in the call view. */
export function callControls(
  session: Session,
  call: CallSession,
  speaker: Speaker,
  signal: AbortSignal,
): { element: HTMLElement; key(event: KeyboardEvent): void } {
  const { calls, userId } = session;
  const attempt = (action: Promise<unknown>): void => {
    action.catch((error: unknown) => toast(callErrorText(error)));
  };
  const mic = toggle('mic', 'mic-off', ['Mute (M)', 'Unmute (M)'], (on) => attempt(call.setAudio(on)));
  const camera = toggle('camera', 'camera-off', ['Turn camera off (V)', 'Turn camera on (V)'], (on) =>
    attempt(call.setVideo(on)),
  );
  const screen = toggle('screen-off', 'screen', ['Stop sharing your screen', 'Share your screen'], (on) => {
    if (!on) return call.stopScreenShare();
    call.shareScreen().catch((error: unknown) => {
      // No message if the user closed the browser's picker.
      if (!isCommError(error) || error.code !== 'MEDIA_DENIED') toast(callErrorText(error));
    });
  });
  // Mobile browsers have no getDisplayMedia(), and pages without HTTPS have no mediaDevices.
  const mediaDevices: Partial<MediaDevices> | undefined = navigator.mediaDevices;
  screen.element.hidden = mediaDevices?.getDisplayMedia === undefined;
  const hand = toggle('hand', 'hand', ['Lower your hand (H)', 'Raise your hand (H)'], (on) =>
    attempt(call.raiseHand(on)),
  );
  const react = iconButton(
    { label: 'React', icon: 'smile', class: 'control', attributes: { 'aria-haspopup': 'true' } },
    () => pickReaction(react, [], (emoji) => attempt(call.react(emoji))),
  );
  const devices = iconButton(
    { label: 'Devices', icon: 'settings', class: 'control', attributes: { 'aria-haspopup': 'menu' } },
    () => void openDeviceMenu(devices, session, call, speaker),
  );
  const participants = iconButton(
    { label: 'People in this call', icon: 'group', class: 'control', attributes: { 'aria-haspopup': 'menu' } },
    () => openParticipantsMenu(participants, session, call),
  );
  const hangUp = iconButton({ label: 'Hang up', icon: 'hang-up', class: 'control control-end' }, () => call.hangup());
  const element = h(
    'div',
    { class: 'stage-controls', role: 'toolbar', 'aria-label': 'Call' },
    mic.element,
    camera.element,
    screen.element,
    hand.element,
    react,
    devices,
    participants,
    hangUp,
  );
  on(element, 'keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const all = [...element.querySelectorAll<HTMLElement>('button:not([hidden], :disabled)')];
    const at = all.findIndex((each) => each === document.activeElement);
    all[(at + step + all.length) % all.length]?.focus();
  });
  watch(
    [(listener) => call.subscribe(listener), calls.size.subscribe],
    () => {
      const { audioMuted, videoMuted, screenSharing, raisedHands, state } = call.getSnapshot();
      mic.set(!audioMuted);
      camera.set(!videoMuted);
      screen.set(screenSharing);
      hand.set(raisedHands.includes(userId));
      // Buttons that appeared meanwhile would move "Hang up" from under the pointer.
      // No participant receives a hand or reaction before the call is connected.
      for (const element of [hand.element, react]) element.disabled = state !== 'connected' && state !== 'reconnecting';
      participants.hidden = !isGroupCall(session, call);
      participants.disabled = participantItems(session, call).length === 0;
      element.hidden = state === 'ended';
    },
    signal,
  );
  const key = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const pressed = { m: mic, v: camera, h: hand }[event.key.toLowerCase()];
    if (pressed === undefined || pressed.element.disabled) return;
    event.preventDefault();
    pressed.element.click();
  };
  return { element, key };
}

/** Creates a toggle button. @param labels - the labels while on and while off */
function toggle(
  onIcon: IconName,
  offIcon: IconName,
  labels: readonly [on: string, off: string],
  change: (on: boolean) => void,
): { element: HTMLButtonElement; set(on: boolean): void } {
  let isOn: boolean | undefined;
  const element = iconButton({ label: labels[0], icon: onIcon, class: 'control' }, () => change(isOn !== true));
  return {
    element,
    set(on) {
      if (on === isOn) return;
      isOn = on;
      const label = labels[on ? 0 : 1];
      setAttributes(element, { 'aria-label': label, title: label, 'data-on': on });
      setIcon(element, on ? onIcon : offIcon);
    },
  };
}
