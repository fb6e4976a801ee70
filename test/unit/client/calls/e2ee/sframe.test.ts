import { expect, test } from 'vitest';
import {
  frameWorker,
  type FrameWorkerMessage,
  type FrameWorkerScope,
} from '../../../../../src/client/calls/e2ee/frame-worker.ts';
import { sframe } from '../../../../../src/client/calls/e2ee/sframe.ts';
import { fc } from '../../../../helpers/property.ts';

const frames = sframe();
const hex = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'hex'));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('matches the test vector of RFC 9605, appendix C.3, for AES_256_GCM_SHA512_128', async () => {
  const keys = await frames.derive(hex('000102030405060708090a0b0c0d0e0f'), 0x123);
  expect(text(keys.salt)).toBe('84991c167b8cd23c93708ec7');
  const metadata = hex('4945544620534672616d65205747');
  const plain = hex('64726166742d696574662d736672616d652d656e63');
  const encrypted = await frames.encrypt(keys, 0x123, 0x4567, metadata, plain);
  expect(text(encrypted)).toBe('990123456794f509d36e9beacb0e261d99c7d1e972f1fed787d4049f17ca21353c1cc24d56ceabced279');
  const header = frames.parse(encrypted);
  expect(header).toEqual({ keyId: 0x123, counter: 0x4567, length: 5 });
  const decrypted = header && (await frames.decrypt(keys, header, metadata, encrypted));
  expect(decrypted).toEqual(plain);
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

test('a header is parsed as it was encoded, and arbitrary bytes never exceed the input', () => {
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

/** Runs the worker in this thread. */
class WorkerHarness {
  readonly #scope: FrameWorkerScope = { onmessage: null, onrtctransform: null };

  constructor() {
    frameWorker(frames, this.#scope);
  }

  post(message: FrameWorkerMessage): void {
    this.#scope.onmessage?.({ data: message });
  }

  /** Passes frames through a transform and returns its output. */
  async run(
    options: { operation: 'encrypt' | 'decrypt'; slotIndex?: number; video?: boolean },
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
    const { operation, slotIndex = 1, video = true } = options;
    this.#scope.onrtctransform?.({
      transformer: { readable, writable, options: { operation, slotIndex, video, peer: 'alice' } },
    });
    await done.promise;
    return out;
  }
}

const secret = (byte: number): Uint8Array<ArrayBuffer> => new Uint8Array(32).fill(byte);
const videoFrame = (n: number): Frame => ({
  data: new Uint8Array(100).fill(n).buffer,
  type: n === 0 ? 'key' : 'delta',
});
const videoFrames = [0, 1, 2, 3].map(videoFrame);

function pair(key = secret(1)): [alice: WorkerHarness, bob: WorkerHarness] {
  const [alice, bob] = [new WorkerHarness(), new WorkerHarness()];
  alice.post({ type: 'own-key', keyId: 0, secret: secret(1) });
  bob.post({ type: 'peer-key', peer: 'alice', keyId: 0, secret: key });
  return [alice, bob];
}

test('a frame that one side encrypts is decrypted by the other, and its content is unreadable in between', async () => {
  const [alice, bob] = pair();
  const encrypted = await alice.run({ operation: 'encrypt' }, videoFrames);
  expect(encrypted).toHaveLength(4);
  const body = new Uint8Array(encrypted[1]?.data ?? new ArrayBuffer()).slice(3);
  expect(text(body)).not.toContain('01010101');
  expect(await bob.run({ operation: 'decrypt' }, encrypted)).toEqual(videoFrames);
});

test('without a key, frames are neither sent nor received', async () => {
  expect(await new WorkerHarness().run({ operation: 'encrypt' }, videoFrames)).toEqual([]);
  const [alice] = pair();
  expect(
    await new WorkerHarness().run({ operation: 'decrypt' }, await alice.run({ operation: 'encrypt' }, videoFrames)),
  ).toEqual([]);
});

test.each<
  [
    title: string,
    options: { slotIndex?: number; key?: Uint8Array<ArrayBuffer> },
    tamper: (frames: Frame[]) => Frame[],
    count: number,
  ]
>([
  ['unencrypted frames', {}, () => videoFrames, 0],
  ['frames encrypted with another key', { key: secret(2) }, (encrypted) => encrypted, 0],
  ['frames of another slot', { slotIndex: 2 }, (encrypted) => encrypted, 0],
  ['a replayed frame', {}, ([first]) => (first === undefined ? [] : [first, first]), 1],
  ['frames out of order', {}, (encrypted) => encrypted.toReversed(), 4],
  [
    'a frame with a modified unencrypted byte',
    {},
    (encrypted) =>
      encrypted.map(({ data, type = '' }) => {
        const bytes = new Uint8Array(data.slice(0));
        bytes[2] = (bytes[2] ?? 0) ^ 1;
        return { data: bytes.buffer, type };
      }),
    0,
  ],
])(
  '%s: only authentic frames of the slot are decrypted, once each',
  async (_title, { slotIndex, key }, tamper, count) => {
    const [alice, bob] = pair(key);
    const encrypted = await alice.run({ operation: 'encrypt' }, videoFrames);
    const decrypted = await bob.run(
      { operation: 'decrypt', ...(slotIndex !== undefined && { slotIndex }) },
      tamper(encrypted),
    );
    expect(decrypted).toHaveLength(count);
  },
);

test('after a key change, frames of both keys are decrypted', async () => {
  const [alice, bob] = pair();
  const before = await alice.run({ operation: 'encrypt' }, videoFrames);
  alice.post({ type: 'own-key', keyId: 1, secret: secret(3) });
  bob.post({ type: 'peer-key', peer: 'alice', keyId: 1, secret: secret(3) });
  const after = await alice.run({ operation: 'encrypt' }, videoFrames);
  expect(await bob.run({ operation: 'decrypt' }, [...before, ...after])).toHaveLength(8);
});

test('a key id that is already known is not replaced, and keys of a peer who left are discarded', async () => {
  const [alice, bob] = pair();
  bob.post({ type: 'peer-key', peer: 'alice', keyId: 0, secret: secret(9) });
  expect(await bob.run({ operation: 'decrypt' }, await alice.run({ operation: 'encrypt' }, videoFrames))).toHaveLength(
    4,
  );
  bob.post({ type: 'peer-left', peer: 'alice' });
  expect(await bob.run({ operation: 'decrypt' }, await alice.run({ operation: 'encrypt' }, videoFrames))).toEqual([]);
});

test('concurrent transforms never use a counter twice', async () => {
  const [alice] = pair();
  const streams = await Promise.all(
    [0, 1, 2, 3].map((slotIndex) =>
      alice.run(
        { operation: 'encrypt', slotIndex, video: false },
        Array.from({ length: 50 }, (_, n) => videoFrame(n)),
      ),
    ),
  );
  const counters = streams.flat().map(({ data }) => frames.parse(new Uint8Array(data).slice(1))?.counter);
  expect(new Set(counters).size).toBe(200);
});
