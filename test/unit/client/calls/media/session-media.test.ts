import { expect, test, vi } from 'vitest';
import { SessionMedia } from '../../../../../src/client/calls/media/session-media.ts';
import { FakePlatform } from '../../../../helpers/client/fake-media.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

const network = vi.hoisted(() => ({ isDown: true }));

vi.mock('../../../../../src/client/calls/session/call-activity.ts', async (original) => {
  if (network.isDown) throw new Error('The network is down');
  return original();
});

test('events that were lost because the activity could not be loaded make no later event be dropped', async () => {
  const platform = new FakePlatform();
  const emitted: string[] = [];
  const media = new SessionMedia(
    platform,
    { local: platform.createLocalMedia(), slots: [] },
    {
      clock: manualClock(),
      callId: () => 'x',
      userId: () => 'alice',
      onChanged: () => undefined,
      onLocalMediaChanged: () => undefined,
      onConnectivity: () => undefined,
      onQualityLevel: () => undefined,
      emit: (event) => void emitted.push(event),
    },
  );
  for (let count = 0; count < 300; count += 1) platform.backend.speak('bob');
  await expect(media.activity()).rejects.toBeInstanceOf(Error);
  network.isDown = false;
  platform.backend.speak('bob');
  await expect.poll(() => emitted, { interval: 1 }).toEqual(['active-speakers']);
  media.dispose();
});
