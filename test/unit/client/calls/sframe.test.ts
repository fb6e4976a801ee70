import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frameWorker, type FrameOrder, type FrameScope } from '../../../../src/client/calls/frame-worker.ts';
import { sframe } from '../../../../src/client/calls/sframe.ts';

const frames = sframe();
const hex = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'hex'));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('the vector of RFC 9605, appendix C.3, for AES_256_GCM_SHA512_128', async () => {
  const keys = await frames.derive(hex('000102030405060708090a0b0c0d0e0f'), 0x123);
  expect(text(keys.salt)).toBe('84991c167b8cd23c93708ec7');
  const metadata = hex('4945544620534672616d65205747');
  const plain = hex('64726166742d696574662d736672616d652d656e63');
  const sealed = await frames.seal(keys, 0x123, 0x4567, metadata, plain);
  expect(text(sealed)).toBe('990123456794f509d36e9beacb0e261d99c7d1e972f1fed787d4049f17ca21353c1cc24d56ceabced279');
  const header = frames.parse(sealed);
  expect(header).toEqual({ keyId: 0x123, counter: 0x4567, length: 5 });
  const opened = header && (await frames.open(keys, header, metadata, sealed));
  expect(opened).toEqual(plain);
});

test.each<[keyId: number, counter: number, header: string]>([
  [0, 0, '00'],
  [0, 7, '07'],
  [7, 8, '7808'],
  [8, 0, '8008'],
  [0, 0xff, '08ff'],
  [0, 0x100, '090100'],
  [1, 0x10000, '1a010000'],
])('the header of key %i and counter %i is %s', (keyId, counter, header) => {
  expect(text(frames.header(keyId, counter))).toBe(header);
});

test('every header is read as it was written, and any bytes are read without harm', () => {
  const number = fc.oneof(fc.nat(16), fc.maxSafeNat());
  fc.assert(
    fc.property(number, number, fc.uint8Array(), (keyId, counter, after) => {
      const header = frames.header(keyId, counter);
      const read = frames.parse(frames.concat(header, Uint8Array.from(after)));
      expect(read).toEqual({ keyId, counter, length: header.length });
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const { length = 0 } = frames.parse(Uint8Array.from(bytes)) ?? {};
      expect(length).toBeLessThanOrEqual(bytes.length);
    }),
  );
});

interface Frame {
  data: ArrayBuffer;
  type?: string;
}

/** The worker, in this thread. */
class Bench {
  readonly #scope: FrameScope = { onmessage: null, onrtctransform: null };

  constructor() {
    frameWorker(frames, this.#scope);
  }

  order(order: FrameOrder): void {
    this.#scope.onmessage?.({ data: order });
  }

  /** What comes out of a transform, of what goes in. */
  async run(
    options: { side: 'seal' | 'open'; slot?: number; video?: boolean },
    input: readonly Frame[],
  ): Promise<Frame[]> {
    const out: Frame[] = [];
    const done = Promise.withResolvers<undefined>();
    const readable = new ReadableStream<Frame>({
      start(controller) {
        for (const frame of input) controller.enqueue({ ...frame });
        controller.close();
      },
    });
    const writable = new WritableStream<Frame>({
      write(frame) {
        out.push({ ...frame });
      },
      close: () => done.resolve(undefined),
    });
    const { side, slot = 1, video = true } = options;
    this.#scope.onrtctransform?.({
      transformer: { readable, writable, options: { side, slot, video, ring: 'alice' } },
    });
    await done.promise;
    return out;
  }
}

const secret = (byte: number): Uint8Array<ArrayBuffer> => new Uint8Array(32).fill(byte);
const picture = (n: number): Frame => ({ data: new Uint8Array(100).fill(n).buffer, type: n === 0 ? 'key' : 'delta' });
const pictures = [0, 1, 2, 3].map(picture);

function pair(theirs = secret(1)): [alice: Bench, bob: Bench] {
  const [alice, bob] = [new Bench(), new Bench()];
  alice.order({ type: 'own', keyId: 0, secret: secret(1) });
  bob.order({ type: 'theirs', ring: 'alice', keyId: 0, secret: theirs });
  return [alice, bob];
}

test('what is sealed on one side is opened on the other, and is not to be read between', async () => {
  const [alice, bob] = pair();
  const sealed = await alice.run({ side: 'seal' }, pictures);
  expect(sealed).toHaveLength(4);
  const body = new Uint8Array(sealed[1]?.data ?? new ArrayBuffer()).slice(3);
  expect(text(body)).not.toContain('01010101');
  expect(await bob.run({ side: 'open' }, sealed)).toEqual(pictures);
});

test('without a key nothing goes out, and nothing comes in', async () => {
  expect(await new Bench().run({ side: 'seal' }, pictures)).toEqual([]);
  const [alice] = pair();
  expect(await new Bench().run({ side: 'open' }, await alice.run({ side: 'seal' }, pictures))).toEqual([]);
});

test.each<
  [
    title: string,
    options: { slot?: number; theirs?: Uint8Array<ArrayBuffer> },
    bend: (frames: Frame[]) => Frame[],
    count: number,
  ]
>([
  ['frames in the clear', {}, () => pictures, 0],
  ['frames sealed with another key', { theirs: secret(2) }, (sealed) => sealed, 0],
  ['frames of another slot', { slot: 2 }, (sealed) => sealed, 0],
  ['a frame that comes twice', {}, ([first]) => (first === undefined ? [] : [first, first]), 1],
  ['frames out of order', {}, (sealed) => sealed.toReversed(), 4],
  [
    'a frame with a bit turned in what stays readable',
    {},
    (sealed) =>
      sealed.map(({ data, type = '' }) => {
        const bytes = new Uint8Array(data.slice(0));
        bytes[2] = (bytes[2] ?? 0) ^ 1;
        return { data: bytes.buffer, type };
      }),
    0,
  ],
])('%s: only what was sealed for it, once, is let in', async (_title, { slot, theirs }, bend, count) => {
  const [alice, bob] = pair(theirs);
  const sealed = await alice.run({ side: 'seal' }, pictures);
  const opened = await bob.run({ side: 'open', ...(slot !== undefined && { slot }) }, bend(sealed));
  expect(opened).toHaveLength(count);
});

test('after the key has changed both of its frames are opened, and the old ones no more once a newer one came', async () => {
  const [alice, bob] = pair();
  const before = await alice.run({ side: 'seal' }, pictures);
  alice.order({ type: 'own', keyId: 1, secret: secret(3) });
  bob.order({ type: 'theirs', ring: 'alice', keyId: 1, secret: secret(3) });
  const after = await alice.run({ side: 'seal' }, pictures);
  expect(await bob.run({ side: 'open' }, [...before, ...after])).toHaveLength(8);
});

test('a key that is told again, another one, changes nothing', async () => {
  const [alice, bob] = pair();
  bob.order({ type: 'theirs', ring: 'alice', keyId: 0, secret: secret(9) });
  expect(await bob.run({ side: 'open' }, await alice.run({ side: 'seal' }, pictures))).toHaveLength(4);
  bob.order({ type: 'gone', ring: 'alice' });
  expect(await bob.run({ side: 'open' }, await alice.run({ side: 'seal' }, pictures))).toEqual([]);
});

test('no two frames are sealed with one counter, whatever runs beside each other', async () => {
  const [alice] = pair();
  const streams = await Promise.all(
    [0, 1, 2, 3].map((slot) =>
      alice.run(
        { side: 'seal', slot, video: false },
        Array.from({ length: 50 }, (_, n) => picture(n)),
      ),
    ),
  );
  const counters = streams.flat().map(({ data }) => frames.parse(new Uint8Array(data).slice(1))?.counter);
  expect(new Set(counters).size).toBe(200);
});
