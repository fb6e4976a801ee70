import { afterEach, expect, test, vi } from 'vitest';
import { LevelMeter } from '../../../src/client/devices/level-meter.ts';
import { stopTracks, microphone } from '../calls/tracks.ts';
import { until } from '../calls/until.ts';

afterEach(() => stopTracks());

/** Returns the contexts that are created from now on. */
function contexts(): AudioContext[] {
  const created: AudioContext[] = [];
  const Context = AudioContext;
  vi.stubGlobal(
    'AudioContext',
    class extends Context {
      constructor() {
        super();
        created.push(this);
      }
    },
  );
  return created;
}

test('a context that the browser suspended runs once the user has interacted with the page, and not before', async () => {
  const active = vi.spyOn(UserActivation.prototype, 'hasBeenActive', 'get').mockReturnValue(false);
  const resume = vi.spyOn(AudioContext.prototype, 'resume');
  const created = contexts();
  const meter = new LevelMeter();
  meter.measure(await microphone());
  const [context] = created;
  if (context === undefined) throw new Error('No context was created');
  await context.suspend();
  meter.level();
  expect([context.state, resume.mock.calls.length]).toEqual(['suspended', 0]);
  active.mockReturnValue(true);
  meter.level();
  await until(() => context.state === 'running');
  await until(() => meter.level() > 0);
  meter.close();
});
