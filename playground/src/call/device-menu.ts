import type { CallSession } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { openMenu, type MenuItem } from '../ui/menu.ts';
import { toast } from '../ui/toast.ts';
import { callErrorText } from './call-texts.ts';

/** The audio output of a call. */
export interface Speaker {
  readonly deviceId: string;
  use(deviceId: string): Promise<void>;
}

const KINDS = [
  ['audioinput', 'Microphone'],
  ['videoinput', 'Camera'],
  ['audiooutput', 'Speaker'],
] as const;

/** Opens the menu of microphones, cameras and speakers. */
export async function openDeviceMenu(
  anchor: HTMLElement,
  { client }: Session,
  call: CallSession,
  speaker: Speaker,
): Promise<void> {
  const failed = (error: unknown): void => toast(callErrorText(error));
  try {
    const devices = await client.calls.devices();
    const items: MenuItem[] = [];
    for (const [kind, name] of KINDS) {
      const ofKind = devices.filter((device) => device.kind === kind);
      if (ofKind.length === 0 || (kind === 'audiooutput' && !('setSinkId' in HTMLMediaElement.prototype))) continue;
      const used = kind === 'audiooutput' ? speaker.deviceId : usedIn(call, kind);
      items.push({ heading: name });
      for (const [at, { deviceId, label }] of ofKind.entries()) {
        items.push({
          label: label === '' ? `${name} ${at + 1}` : label,
          checked: deviceId === used || (used === '' && at === 0),
          select: () => {
            const change = kind === 'audiooutput' ? speaker.use(deviceId) : call.switchDevice(kind, deviceId);
            change.catch(failed);
          },
        });
      }
    }
    if (items.length === 0) toast('No microphone and no camera was found. Plug one in, then try again.');
    else openMenu(anchor, 'Devices', items);
  } catch (error) {
    failed(error);
  }
}

function usedIn(call: CallSession, kind: 'audioinput' | 'videoinput'): string | undefined {
  const { localStream } = call.getSnapshot();
  const track = kind === 'audioinput' ? localStream?.getAudioTracks()[0] : localStream?.getVideoTracks()[0];
  return track?.getSettings().deviceId;
}
