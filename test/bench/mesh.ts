/**
 * Measures what a call costs each participant: `node test/bench/mesh.ts`. Prints upload, received frames and processor time of
 * calls of two, three and four participants, who are all pages of one Chromium. Pages encode and decode on the processor.
 */
import { setTimeout } from 'node:timers/promises';
import type { Browser, Page } from 'playwright';
import { TestBed } from '../calls/test-bed.ts';
import { machine } from './report.ts';

/** Until the browser's estimate of the bandwidth has settled. */
const SETTLE_MS = 15_000;
const MEASURE_MS = 10_000;
const OFTEN = { burst: 1_000, perSecond: 10 };
const RESOLUTIONS = { VGA: { width: 640, height: 480 }, '720p': { width: 1_280, height: 720 } } as const;
const USERS = ['alice', 'bob', 'carol', 'dave'] as const;

declare global {
  /** The connections of this page. */
  var connections: RTCPeerConnection[];
}

/** Sums of all connections of a page. */
interface Transferred {
  readonly sentBytes: number;
  readonly decodedFrames: number;
}

/** Runs in the page, before its scripts. */
function recordConnections(): void {
  globalThis.connections = [];
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...args: ConstructorParameters<typeof RTCPeerConnection>) {
      super(...args);
      connections.push(this);
    }
  };
}

function transferred(page: Page): Promise<Transferred> {
  return page.evaluate(async () => {
    let [sentBytes, decodedFrames] = [0, 0];
    for (const report of await Promise.all(connections.map((each) => each.getStats()))) {
      for (const each of report.values() as Iterable<Record<string, unknown>>) {
        if (each['type'] === 'transport') sentBytes += Number(each['bytesSent'] ?? 0);
        if (each['type'] === 'inbound-rtp') decodedFrames += Number(each['framesDecoded'] ?? 0);
      }
    }
    return { sentBytes, decodedFrames };
  });
}

/** Processor time of all processes of a browser so far, in seconds. */
async function processorSeconds(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

async function measure(testBed: TestBed, count: number, resolution: keyof typeof RESOLUTIONS): Promise<string> {
  const size = RESOLUTIONS[resolution];
  const users = await Promise.all(
    USERS.slice(0, count).map((userId) => testBed.user(userId, { prepare: recordConnections })),
  );
  const pages = users.map(({ page }) => page);
  const [first, ...others] = pages;
  const browser = first?.context().browser();
  if (first === undefined || browser === null || browser === undefined) throw new Error('No page');
  for (const page of others) {
    await page.evaluate((video) => {
      caller.client.on('call', (call) => void call.accept({ audio: true, video }));
    }, size);
  }
  await first.evaluate(([calleeIds, video]) => caller.startGroup(calleeIds, { audio: true, video }), [
    USERS.slice(1, count),
    size,
  ] as const);
  for (const user of users) {
    for (const other of users) if (other !== user) await user.sees(other.userId);
  }
  await setTimeout(SETTLE_MS);
  const [before, processorBefore, start] = [
    await Promise.all(pages.map(transferred)),
    await processorSeconds(browser),
    performance.now(),
  ];
  await setTimeout(MEASURE_MS);
  const [after, processorAfter, seconds] = [
    await Promise.all(pages.map(transferred)),
    await processorSeconds(browser),
    (performance.now() - start) / 1_000,
  ];
  const sum = (values: readonly Transferred[], key: keyof Transferred): number =>
    values.reduce((total, each) => total + each[key], 0);
  const upload = ((sum(after, 'sentBytes') - sum(before, 'sentBytes')) * 8) / 1_000 / seconds / count;
  const frames = (sum(after, 'decodedFrames') - sum(before, 'decodedFrames')) / seconds / (count * (count - 1));
  const processor = (processorAfter - processorBefore) / seconds / count;
  await Promise.all(users.map((user) => user.close()));
  return `| ${count} | ${resolution} | ${upload.toFixed(0)} kbit/s | ${frames.toFixed(1)} | ${processor.toFixed(2)} |`;
}

console.log(`${machine()}\n`);
console.log('| participants | camera | upload of each | frames per second of each stream | processors used by each |');
console.log('|--:|---|--:|--:|--:|');
for (const resolution of Object.keys(RESOLUTIONS) as (keyof typeof RESOLUTIONS)[]) {
  for (const count of [2, 3, 4]) {
    await using testBed = await TestBed.open(undefined, { callsPerCaller: OFTEN, callsPerPair: OFTEN });
    console.log(await measure(testBed, count, resolution));
  }
}
