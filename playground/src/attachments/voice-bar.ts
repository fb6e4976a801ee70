import type { VoiceRecorder } from 'lumen-comm';
import { h, on, setAttributes, setText } from '../lib/dom.ts';
import { playTime } from '../lib/format.ts';
import { watch } from '../lib/watch.ts';
import { iconButton } from '../ui/button.ts';
import { reasonOf, toast } from '../ui/toast.ts';
import { drawWaveform, waveformPicture } from './waveform.ts';

const BARS = 60;
/** Speech is far below the loudest sound that a microphone can take. */
const GAIN = 3;

export interface VoiceBarOptions {
  readonly recorder: VoiceRecorder;
  readonly send: (file: File) => void;
  /** Called when the recording was sent or cancelled. */
  readonly ended: () => void;
}

/**
 * Shows a running recording in place of the message input: Enter on its last button sends it, Escape cancels.
 *
 * @param signal - aborts when the conversation is closed, which discards the recording unless it is being sent
 */
export function voiceBar({ recorder, send, ended }: VoiceBarOptions, signal: AbortSignal): HTMLElement {
  const wave = waveformPicture('voice-wave');
  const time = h('span', { class: 'voice-time', role: 'timer', 'aria-label': 'Recorded time' });
  let isEnding = false;
  /** Returns whether this is the first call: a second click comes before the recorder has stopped. */
  const end = (): boolean => {
    if (isEnding) return false;
    isEnding = true;
    // Not `disabled`, which would lose the focus.
    for (const each of element.querySelectorAll('button')) setAttributes(each, { 'aria-disabled': 'true' });
    return true;
  };
  const cancel = (): void => {
    if (!end()) return;
    recorder.cancel();
    ended();
  };
  const finish = async (): Promise<void> => {
    if (!end()) return;
    try {
      send((await recorder.stop()).file);
    } catch (error) {
      if (!signal.aborted) toast(`The voice message was not sent: ${reasonOf(error)}.`);
    }
    ended();
  };
  const element = h(
    'div',
    { class: 'composer-row voice-bar', role: 'group', 'aria-label': 'Recording', tabindex: -1 },
    iconButton({ label: 'Delete recording', icon: 'trash' }, cancel),
    h('span', { class: 'voice-dot', 'aria-hidden': 'true' }),
    time,
    wave,
    iconButton({ label: 'Send voice message', icon: 'send', class: 'composer-send' }, () => void finish()),
  );
  on(element, 'keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    cancel();
  });
  let isTold = false;
  watch(
    [recorder.subscribe],
    () => {
      const { state, elapsedMs, levels, error } = recorder.getSnapshot();
      setText(time, playTime(elapsedMs / 1_000));
      const latest = levels.slice(-BARS).map((level) => level * GAIN);
      drawWaveform(wave, [...Array.from({ length: BARS - latest.length }, () => 0), ...latest]);
      element.dataset['state'] = state;
      if (error === undefined || isTold) return;
      isTold = true;
      toast(`The recording has ended: ${reasonOf(error)}.`);
    },
    signal,
  );
  signal.addEventListener('abort', () => {
    // What the user has sent is sent.
    if (!end()) return;
    recorder.cancel();
    toast('The recording was discarded.');
  });
  return element;
}
