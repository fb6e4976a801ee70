import { expect, test } from 'vitest';
import type { PeerConnection } from '../../../../../src/client/calls/webrtc/peer-connection.ts';
import { StatsMonitor } from '../../../../../src/client/calls/webrtc/stats-monitor.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

/** A connection whose other side speaks with a level, and that sends the local microphone if `isSending`. */
function connectionOf(level: { current: number }, isSending: boolean): PeerConnection {
  const energy = { totalAudioEnergy: 0, totalSamplesDuration: 0 };
  const statsOf = (type: string) => () => {
    energy.totalSamplesDuration += 0.5;
    energy.totalAudioEnergy += level.current ** 2 * 0.5;
    return Promise.resolve([{ type, ...energy }]);
  };
  return {
    mic: {
      receiver: { getStats: statsOf('inbound-rtp') },
      sender: { track: isSending ? {} : null, getStats: statsOf('media-source') },
    },
  } as object as PeerConnection;
}

test('reports rounded audio levels when they change, with the own level of a participant who is not on hold', async () => {
  const clock = manualClock();
  const level = { current: 0.1234 };
  const reported: object[] = [];
  const peers = [
    { id: { userId: 'bob' }, connection: connectionOf(level, false) },
    { id: { userId: 'carol' }, connection: connectionOf(level, true) },
  ];
  const monitor = new StatsMonitor(clock, {
    selfId: () => 'alice',
    connectedPeers: () => peers,
    onQuality: () => undefined,
    onLevels: (levels) => reported.push(Object.fromEntries(levels)),
    onSpeakers: () => undefined,
    report: (error) => {
      throw error;
    },
  });
  const poll = async (current: number): Promise<void> => {
    level.current = current;
    clock.advance(500);
    // Runs after all pending promises.
    await new Promise((resolve) => setTimeout(resolve));
  };
  monitor.connectionsChanged();
  await poll(0.1234);
  await poll(0.1234);
  expect(reported).toEqual([{ alice: 0.12, bob: 0.12, carol: 0.12 }]);
  await poll(0.5);
  expect(reported).toHaveLength(2);
  monitor.close();
});
