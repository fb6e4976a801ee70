import type { CDPSession, Page } from 'playwright';
import { expect, test } from 'vitest';
import { connected, useTestBed } from './browser.ts';

const startTestBed = useTestBed();

const CALLS = 30;
const NO_RESOURCES = { connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 };

declare global {
  /** Everything that calls have opened in this page, unless it was collected. */
  var opened: {
    connections: WeakRef<RTCPeerConnection>[];
    tracks: WeakRef<MediaStreamTrack>[];
    /** The prototype of calls. */
    call?: unknown;
  };
}

/** Records connections and tracks without keeping them alive. Runs in the page. */
function record(): void {
  globalThis.opened = { connections: [], tracks: [] };
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...args: ConstructorParameters<typeof RTCPeerConnection>) {
      super(...args);
      opened.connections.push(new WeakRef(this));
    }
  };
  for (const name of ['getUserMedia', 'getDisplayMedia'] as const) {
    const open = MediaDevices.prototype[name];
    MediaDevices.prototype[name] = async function (this: MediaDevices, ...args: unknown[]) {
      const stream = await (open as (...args: unknown[]) => Promise<MediaStream>).apply(this, args);
      for (const track of stream.getTracks()) opened.tracks.push(new WeakRef(track));
      return stream;
    };
  }
}

/** Returns what of it is still open. Runs in the page. */
function notEnded(): string[] {
  const connections = opened.connections.map((each) => each.deref()?.signalingState ?? 'closed');
  const tracks = opened.tracks.map((each) => each.deref()?.readyState ?? 'ended');
  return [...connections, ...tracks].filter((each) => each !== 'closed' && each !== 'ended');
}

/** Returns how many objects of a class are in the heap after garbage collection. */
async function countObjects(session: CDPSession, prototype: string): Promise<number> {
  const { result } = await session.send('Runtime.evaluate', { expression: prototype, objectGroup: 'count' });
  const { objects } = await session.send('Runtime.queryObjects', {
    prototypeObjectId: result.objectId ?? '',
    objectGroup: 'count',
  });
  const length = await session.send('Runtime.callFunctionOn', {
    objectId: objects.objectId ?? '',
    functionDeclaration: 'function () { return this.length; }',
    returnByValue: true,
  });
  await session.send('Runtime.releaseObjectGroup', { objectGroup: 'count' });
  return length.result.value as number;
}

/** Returns the number of listeners of objects that outlive calls, by event. */
async function countListeners(session: CDPSession): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const target of ['window', 'document', 'navigator.mediaDevices', 'navigator.connection']) {
    const { result } = await session.send('Runtime.evaluate', { expression: target });
    const { listeners } = await session.send('DOMDebugger.getEventListeners', { objectId: result.objectId ?? '' });
    for (const { type } of listeners) counts[`${target} ${type}`] = (counts[`${target} ${type}`] ?? 0) + 1;
  }
  return counts;
}

/**
 * The prototypes of objects of which none may be left. Tracks and streams of ended captures are not among them: Chromium keeps
 * them in memory for a while, also in a page without this package.
 */
const CLASSES = [
  'RTCPeerConnection.prototype',
  'RTCDataChannel.prototype',
  'RTCRtpTransceiver.prototype',
  'HTMLAudioElement.prototype',
  'opened.call',
];

function state(page: Page): Promise<string | undefined> {
  return page.evaluate(() => chat.client.calls.active?.state);
}

test(
  `${CALLS} video calls leave no connection, track, timer, listener or object behind`,
  { timeout: 600_000 },
  async () => {
    const testBed = await startTestBed();
    const pages = await Promise.all(
      ['alice', 'bob'].map(async (user) =>
        testBed.open(await testBed.device(), { address: `user=${user}`, before: record }),
      ),
    );
    await Promise.all(pages.map((page) => connected(page)));
    const [alice, bob] = pages as [Page, Page];
    await bob.evaluate(() => {
      chat.client.on('call', (call) => void call.accept());
    });
    const conversationId = await alice.evaluate(() => chat.create(['bob'], 'group'));
    const sessions = await Promise.all(pages.map((page) => page.context().newCDPSession(page)));
    async function talk(at: number): Promise<void> {
      await alice.evaluate((id) => {
        void chat.client.calls.start({ conversationId: id, type: 'video', calleeIds: ['bob'] });
      }, conversationId);
      for (const page of pages) await expect.poll(() => state(page)).toBe('connected');
      for (const page of pages) {
        await page.evaluate(() => {
          opened.call = Object.getPrototypeOf(chat.client.calls.active);
        });
      }
      if (at % 3 === 0) {
        await alice.evaluate(async () => {
          await chat.client.calls.active?.shareScreen();
          await chat.client.calls.active?.raiseHand(true);
        });
        await bob.waitForFunction(() => chat.client.calls.active?.getSnapshot().raisedHands.includes('alice'));
      }
      await (at % 2 === 0 ? alice : bob).evaluate(() => chat.client.calls.active?.hangup());
      for (const page of pages) {
        await expect.poll(() => state(page)).toBeUndefined();
        await expect.poll(() => page.evaluate(() => chat.resources())).toEqual(NO_RESOURCES);
      }
    }

    const before = await Promise.all(sessions.map(countListeners));
    for (let at = 0; at < CALLS; at += 1) await talk(at);
    await Promise.all(pages.map((page) => connected(page)));
    for (const [at, page] of pages.entries()) {
      await expect.poll(() => countListeners(sessions[at] ?? never())).toEqual(before[at]);
      await expect.poll(() => page.evaluate(notEnded)).toEqual([]);
      // Closed connections are collected when the browser has released their threads.
      for (const name of CLASSES) {
        await expect.poll(async () => [name, await countObjects(sessions[at] ?? never(), name)]).toEqual([name, 0]);
      }
    }
  },
);

function never(): never {
  throw new Error('never');
}
