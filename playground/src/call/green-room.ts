import type { MediaPreview } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setChildren } from '../lib/dom.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import { toast } from '../ui/toast.ts';
import type { CallTarget } from './call-store.ts';
import { callErrorText, namesOf } from './call-texts.ts';

/** Speech is around 0.1. */
const LOUD = 0.3;

/** Shows camera and microphone before a call, where they can be switched and turned off. */
export async function openGreenRoom({ calls, client, signal }: Session, target: CallTarget): Promise<void> {
  let preview: MediaPreview;
  try {
    preview = await client.calls.preview();
  } catch (error) {
    calls.failure.set({ error, target });
    return;
  }
  const attempt = (action: Promise<unknown>): void => {
    action.catch((error: unknown) => toast(callErrorText(error)));
  };
  const video = h('video', { autoplay: true, playsinline: true, 'aria-label': 'Your camera', tabindex: -1 });
  video.muted = true;
  const level = h('meter', { min: 0, max: LOUD, 'aria-label': 'Level of your microphone' });
  const microphone = toggle('Microphone', (isOn) => attempt(preview.setAudio(isOn)));
  const camera = toggle('Camera', (isOn) => attempt(preview.setVideo(isOn)));
  const microphones = deviceSelect(preview, 'audioinput', 'Use microphone', attempt);
  const cameras = deviceSelect(preview, 'videoinput', 'Use camera', attempt);
  const start = button({ label: `Call ${namesOf(target.calleeIds)}`, icon: 'camera', class: 'button-good' }, () => {
    calls.start(target, preview);
    dialog.close();
  });
  const dialog = openDialog(
    'Check your camera and microphone',
    h('div', { class: 'green-room-picture' }, video),
    level,
    h('div', { class: 'green-room-toggles' }, microphone.element, camera.element),
    microphones.element,
    cameras.element,
    dialogActions(
      button({ label: 'Cancel' }, () => dialog.close()),
      start,
    ),
  );
  // Does nothing if the call has taken the preview over.
  dialog.signal.addEventListener('abort', () => preview.stop());
  signal.addEventListener('abort', () => dialog.close(), { signal: dialog.signal });
  watch(
    [preview.subscribe],
    () => {
      const { stream, audioMuted, videoMuted, audioLevel, ended } = preview.getSnapshot();
      if (ended) return dialog.close();
      if (video.srcObject !== (stream ?? null)) video.srcObject = stream ?? null;
      setAttributes(video, { 'data-off': videoMuted });
      level.value = audioMuted ? 0 : audioLevel;
      microphone.set(!audioMuted);
      camera.set(!videoMuted);
      microphones.update();
      cameras.update();
    },
    dialog.signal,
  );
}

function toggle(label: string, change: (isOn: boolean) => void): { element: HTMLElement; set(isOn: boolean): void } {
  const input = h('input', { type: 'checkbox', role: 'switch' });
  on(input, 'change', () => change(input.checked));
  return {
    element: h('label', { class: 'green-room-toggle' }, input, label),
    set: (isOn) => {
      input.checked = isOn;
    },
  };
}

/** A list of the devices of a kind. Hidden if there is no choice. */
function deviceSelect(
  preview: MediaPreview,
  kind: 'audioinput' | 'videoinput',
  label: string,
  attempt: (action: Promise<unknown>) => void,
): { element: HTMLElement; update(): void } {
  const select = h('select', {});
  const element = h('label', { class: 'green-room-device' }, label, select);
  let shown: readonly MediaDeviceInfo[] | undefined;
  on(select, 'change', () => attempt(preview.switchDevice(kind, select.value)));
  return {
    element,
    update() {
      const { devices, stream } = preview.getSnapshot();
      if (devices !== shown) {
        shown = devices;
        const ofKind = devices.filter((device) => device.kind === kind && device.deviceId !== '');
        element.hidden = ofKind.length < 2;
        setChildren(select, ...ofKind.map(({ deviceId, label: name }) => h('option', { value: deviceId }, name)));
      }
      const tracks = kind === 'audioinput' ? stream?.getAudioTracks() : stream?.getVideoTracks();
      const used = tracks?.[0]?.getSettings().deviceId;
      if (used !== undefined && document.activeElement !== select) select.value = used;
    },
  };
}
