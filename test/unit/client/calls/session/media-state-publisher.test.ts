import { expect, test } from 'vitest';
import { MediaStatePublisher } from '../../../../../src/client/calls/session/media-state-publisher.ts';
import type { MediaState } from '../../../../../src/client/calls/session/roster.ts';
import { deferred } from '../../../../../src/lib/deferred.ts';

const ON: MediaState = { audioMuted: false, videoMuted: false, screenSharing: false };

test('sends one change at a time and combines the changes made meanwhile', async () => {
  let current = ON;
  const sent: Partial<MediaState>[] = [];
  const firstReply = deferred<boolean>();
  const publisher = new MediaStatePublisher(
    ON,
    () => current,
    (changed) => {
      sent.push(changed);
      return sent.length === 1 ? firstReply.promise : Promise.resolve(true);
    },
  );
  const done: Promise<void>[] = [];
  for (let count = 0; count < 21; count += 1) {
    current = { ...ON, videoMuted: count % 2 === 0 };
    done.push(publisher.publish());
  }
  current = { ...ON, audioMuted: true, videoMuted: true };
  firstReply.resolve(true);
  await Promise.all(done);
  expect(sent).toEqual([{ videoMuted: true }, { audioMuted: true }]);
});

test('after a failure it sends the difference to the state that the server has', async () => {
  const sent: Partial<MediaState>[] = [];
  let isConnected = false;
  const publisher = new MediaStatePublisher(
    ON,
    () => ({ ...ON, audioMuted: true }),
    (changed) => {
      sent.push(changed);
      return Promise.resolve(isConnected);
    },
  );
  await publisher.publish();
  isConnected = true;
  await publisher.publish({ ...ON, screenSharing: true });
  await publisher.publish();
  expect(sent).toEqual([{ audioMuted: true }, { audioMuted: true, screenSharing: false }]);
});
