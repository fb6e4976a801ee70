import { CommError } from '../../../protocol/errors.ts';
import { requireId } from '../../validation.ts';
import type { DeviceChoice } from '../webrtc/media-backend.ts';
import { releaseTrack } from './captured-tracks.ts';
import { causeName, requireMediaDevices } from '../../devices/media-errors.ts';

/** The device to switch, as {@link switchDevice} needs it. */
export interface SwitchableDevice {
  readonly kind: 'audio' | 'video';
  /** `undefined` while the device is closed. */
  readonly track: MediaStreamTrack | undefined;
  readonly isAppTrack: boolean;
  /** The constraints without the choice of a device. */
  readonly constraints: MediaTrackConstraints;
  /** Aborted when the call ends. */
  readonly end: AbortSignal;
  open(constraints: MediaTrackConstraints): Promise<MediaStreamTrack>;
  setTrack(track: MediaStreamTrack): void;
  turnOff(): void;
}

/** Validates the arguments of `switchDevice()`. @throws TypeError */
export function requireDeviceChoice(kind: string, device: DeviceChoice): void {
  if (kind !== 'audioinput' && kind !== 'videoinput') {
    throw new TypeError(`kind must be 'audioinput' or 'videoinput'; got ${kind}`);
  }
  const mode = (device as { readonly facingMode?: unknown } | null)?.facingMode;
  if (mode !== 'user' && mode !== 'environment') requireId('deviceId', device);
}

/**
 * Switches a device; a closed one is opened later. Phones open one camera at a time: the previous one is closed first if it
 * may be the same hardware, or if the browser reports that the device is in use. If the other one can't be opened then, the
 * previous one is opened again.
 *
 * @returns the constraints for later captures
 * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`; the reason of `end`
 */
export async function switchDevice(device: SwitchableDevice, choice: DeviceChoice): Promise<MediaTrackConstraints> {
  const { track, constraints, end } = device;
  end.throwIfAborted();
  const isShared = typeof choice === 'string' ? await isSameHardware(device, choice) : true;
  const chosen =
    typeof choice === 'string' ? { deviceId: { exact: choice } } : { facingMode: { exact: choice.facingMode } };
  const next = { ...constraints, ...chosen };
  if (track === undefined) return next;
  const isExclusive = device.kind === 'video' && !device.isAppTrack;
  if (!isShared || !isExclusive) {
    try {
      device.setTrack(await device.open(next));
      return next;
    } catch (error) {
      if (end.aborted || !isExclusive || !/^(NotReadable|Abort)Error$/.test(causeName(error))) throw error;
    }
  }
  const { deviceId = '' } = track.getSettings();
  releaseTrack(track);
  try {
    device.setTrack(await device.open(next));
    return next;
  } catch (error) {
    if (end.aborted) throw error;
    const reopened = await device.open({ ...constraints, deviceId: { exact: deviceId } }).catch(() => undefined);
    if (reopened !== undefined) device.setTrack(reopened);
    else if (!end.aborted) device.turnOff();
    throw error;
  }
}

/** Returns whether a device is a part of the hardware that is open. @throws CommError `MEDIA_UNAVAILABLE` if it is missing */
async function isSameHardware({ kind, track, end }: SwitchableDevice, deviceId: string): Promise<boolean> {
  const devices = await requireMediaDevices().enumerateDevices();
  end.throwIfAborted();
  const known = devices.filter((each) => each.kind === `${kind}input` && each.deviceId !== '');
  const device = known.find((each) => each.deviceId === deviceId);
  // Without permission the browser doesn't tell the ids.
  if (device === undefined && known.length > 0) {
    throw new CommError('MEDIA_UNAVAILABLE', 'The chosen device was not found');
  }
  const { groupId } = track?.getSettings() ?? {};
  return kind === 'video' && groupId !== undefined && groupId !== '' && device?.groupId === groupId;
}
