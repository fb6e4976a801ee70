import { expect, test } from 'vitest';
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from '../../../src/lib/base64.ts';
import { ByteWriter, concat, decodeUtf8, equalBytes, isZero, lp, readStrictly, u32 } from '../../../src/lib/bytes.ts';
import { fc } from '../../helpers/property.ts';

test('base64 and base64url are the same as in Node', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const plain = Buffer.from(bytes).toString('base64');
      const url = Buffer.from(bytes).toString('base64url');
      expect([toBase64(bytes), toBase64Url(bytes)]).toEqual([plain, url]);
      expect(fromBase64(plain)).toEqual(new Uint8Array(bytes));
      expect(fromBase64Url(url)).toEqual(new Uint8Array(bytes));
    }),
  );
  const large = new Uint8Array(100_000).fill(7);
  expect(fromBase64(toBase64(large))).toEqual(large);
});

test.each([
  'A',
  'AA',
  'AA=',
  'AAA',
  'AB==',
  'AAB=',
  'AA== ',
  ' AAAA',
  'AA\n==',
  'AAAA=',
  '====',
  'A===',
  'AA-_',
  'ÄAAA',
  'AA==AA==',
])('%j is not canonical base64', (text) => {
  expect(fromBase64(text)).toBeUndefined();
});

test.each(['A', 'AB', 'AAB', 'AA==', 'AA+/', 'AA AA', 'AAAAA'])('%j is not base64url', (text) => {
  expect(fromBase64Url(text)).toBeUndefined();
});

test('every decoded base64 string encodes to itself', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
      const bytes = fromBase64(text);
      expect(bytes === undefined ? text : toBase64(bytes)).toBe(text);
    }),
  );
});

test('lengths and numbers are big-endian', () => {
  expect([...lp('aé')]).toEqual([0, 3, 0x61, 0xc3, 0xa9]);
  expect([...u32(0xfffefdfc)]).toEqual([0xff, 0xfe, 0xfd, 0xfc]);
  expect(() => lp('x'.repeat(65_536))).toThrow(RangeError);
  expect(concat(lp('a'), lp('b'))).not.toEqual(concat(lp('ab'), lp('')));
});

test('a reader reads what a writer wrote, and rejects longer and shorter bytes', () => {
  const values = fc.record({
    text: fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
    number: fc.maxSafeNat(),
    small: fc.nat(0xffff_ffff),
    flag: fc.boolean(),
    maybe: fc.option(fc.nat(255), { nil: undefined }),
    list: fc.array(fc.nat(255)),
  });
  fc.assert(
    fc.property(values, (value) => {
      const writer = new ByteWriter().text(value.text).u64(value.number).u32(value.small).flag(value.flag);
      writer.maybe(value.maybe, (byte) => writer.u8(byte)).list(value.list, (byte) => writer.u8(byte));
      const bytes = writer.done();
      const read = (from: Uint8Array): unknown =>
        readStrictly(from, (reader) => ({
          text: reader.text(),
          number: reader.u64(),
          small: reader.u32(),
          flag: reader.flag(),
          maybe: reader.maybe(() => reader.u8()),
          list: reader.list(() => reader.u8()),
        }));
      expect(read(bytes)).toEqual(value);
      expect(read(bytes.slice(0, -1))).toBeUndefined();
      expect(read(concat(bytes, Uint8Array.of(0)))).toBeUndefined();
    }),
  );
});

test('missing bytes, invalid flags, numbers above 2⁵³ and invalid UTF-8 are rejected', () => {
  expect(readStrictly(Uint8Array.of(0, 9, 1), (reader) => reader.text())).toBeUndefined();
  expect(readStrictly(Uint8Array.of(2), (reader) => reader.flag())).toBeUndefined();
  expect(readStrictly(new Uint8Array(8).fill(0xff), (reader) => reader.u64())).toBeUndefined();
  expect(readStrictly(Uint8Array.of(0, 1, 0xff), (reader) => reader.text())).toBeUndefined();
  expect(readStrictly(new Uint8Array(4).fill(0xff), (reader) => reader.list(() => reader.u8()))).toBeUndefined();
  expect(decodeUtf8(Uint8Array.of(0xc0, 0x80))).toBeUndefined();
});

test('other errors of a reader are thrown', () => {
  const wrong = new TypeError('a bug');
  const read = (): unknown =>
    readStrictly(Uint8Array.of(1), () => {
      throw wrong;
    });
  expect(read).toThrow(wrong);
});

test('all bytes are compared', () => {
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
  expect([isZero(new Uint8Array(3)), isZero(Uint8Array.of(0, 4))]).toEqual([true, false]);
});
