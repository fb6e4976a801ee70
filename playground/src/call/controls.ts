import { isCommError, type CallSession } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setChildren } from '../lib/dom.ts';
import { icon, type IconName } from '../lib/icons.ts';
import { watch } from '../lib/watch.ts';
import { iconButton } from '../ui/button.ts';
import { toast } from '../ui/toast.ts';
import { openDeviceMenu, type Speaker } from './device-menu.ts';
import { openPeopleMenu, peopleItems } from './people-menu.ts';
import { callProblem } from './words.ts';

/** What one can do in a call; M and V work from anywhere on the stage. */
export function callControls(
  session: Session,
  call: CallSession,
  speaker: Speaker,
  signal: AbortSignal,
): { element: HTMLElement; key(event: KeyboardEvent): void } {
  const { calls } = session;
  const wanted = (doing: Promise<unknown>): void => {
    doing.catch((error: unknown) => toast(callProblem(error)));
  };
  const mic = toggle('mic', 'mic-off', ['Mute (M)', 'Unmute (M)'], (on) => wanted(call.setAudio(on)));
  const camera = toggle('camera', 'camera-off', ['Turn camera off (V)', 'Turn camera on (V)'], (on) =>
    wanted(call.setVideo(on)),
  );
  const screen = toggle('screen-off', 'screen', ['Stop sharing your screen', 'Share your screen'], (on) => {
    if (!on) return call.stopScreenShare();
    call.shareScreen().catch((error: unknown) => {
      // Whoever closes the browser's picker knows it.
      if (!isCommError(error) || error.code !== 'MEDIA_DENIED') toast(callProblem(error));
    });
  });
  // No phone has it, and no page without https has media devices at all.
  const mediaDevices: Partial<MediaDevices> | undefined = navigator.mediaDevices;
  screen.element.hidden = mediaDevices?.getDisplayMedia === undefined;
  const devices = iconButton(
    { label: 'Devices', icon: 'settings', class: 'control', attributes: { 'aria-haspopup': 'menu' } },
    () => void openDeviceMenu(devices, session, call, speaker),
  );
  const people = iconButton(
    { label: 'People in this call', icon: 'group', class: 'control', attributes: { 'aria-haspopup': 'menu' } },
    () => openPeopleMenu(people, session, call),
  );
  const hangUp = iconButton({ label: 'Hang up', icon: 'hang-up', class: 'control control-end' }, () => call.hangup());
  const element = h(
    'div',
    { class: 'stage-controls', role: 'toolbar', 'aria-label': 'Call' },
    mic.element,
    camera.element,
    screen.element,
    devices,
    people,
    hangUp,
  );
  on(element, 'keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const all = [...element.querySelectorAll<HTMLElement>('button:not([hidden])')];
    const at = all.findIndex((each) => each === document.activeElement);
    all[(at + step + all.length) % all.length]?.focus();
  });
  watch(
    [(listener) => call.subscribe(listener), calls.size.subscribe],
    () => {
      const { audio, video, screen: isSharing, state } = call.getSnapshot();
      mic.set(audio);
      camera.set(video);
      screen.set(isSharing);
      people.hidden = peopleItems(session, call).length === 0;
      element.hidden = state === 'ended';
    },
    signal,
  );
  const key = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const pressed = { m: mic, v: camera }[event.key.toLowerCase()];
    if (pressed === undefined) return;
    event.preventDefault();
    pressed.element.click();
  };
  return { element, key };
}

/** @param words - while it is on, and while it is off */
function toggle(
  onIcon: IconName,
  offIcon: IconName,
  words: readonly [on: string, off: string],
  change: (on: boolean) => void,
): { element: HTMLButtonElement; set(on: boolean): void } {
  let isOn: boolean | undefined;
  const element = iconButton({ label: words[0], icon: onIcon, class: 'control' }, () => change(isOn !== true));
  return {
    element,
    set(on) {
      if (on === isOn) return;
      isOn = on;
      const label = words[on ? 0 : 1];
      setAttributes(element, { 'aria-label': label, title: label, 'data-on': on });
      setChildren(element, icon(on ? onIcon : offIcon));
    },
  };
}
