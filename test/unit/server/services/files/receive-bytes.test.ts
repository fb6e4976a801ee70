import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { receiveBytes } from '../../../../../src/server/services/files/receive-bytes.ts';
import { eventually } from '../../../../helpers/eventually.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

const options = { max: 100, idleMs: 1_000 };

test('no chunk that was passed on is kept', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const given: WeakRef<Uint8Array>[] = [];
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < 10; at += 1) {
      const chunk = new Uint8Array(10);
      given.push(new WeakRef(chunk));
      yield chunk;
    }
  };
  const received = receiveBytes(body(), { ...options, signal: new AbortController().signal, clock: manualClock() });
  for (let at = 0; at < 5; at += 1) await received.next();
  await eventually(() => {
    // One collection may not be enough. A WeakRef that was read keeps its target until the job ends: each try is a job.
    collect();
    // All but the last one, which a generator may hold. Counted, because the error of a failed try would keep the chunks.
    expect(given.slice(0, 4).filter((each) => each.deref() !== undefined).length).toBe(0);
  });
  await received.return(undefined);
});

test.each(['before the body', 'while a chunk is awaited'])('an abort %s ends it with CONFLICT', async (when) => {
  const controller = new AbortController();
  const body = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    await new Promise(() => undefined);
  };
  if (when === 'before the body') controller.abort();
  const received = receiveBytes(body(), { ...options, signal: controller.signal, clock: manualClock() });
  const reading = (async () => {
    for await (const _ of received) controller.abort();
  })();
  await expect(reading).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('a peer that sends nothing in time ends it with UNAVAILABLE', async () => {
  const clock = manualClock();
  const body = async function* (): AsyncGenerator<Uint8Array> {
    yield await new Promise<never>(() => undefined);
  };
  const next = receiveBytes(body(), { ...options, signal: new AbortController().signal, clock }).next();
  clock.advance(options.idleMs);
  await expect(next).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
