import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { CommError } from '../../protocol/errors.ts';
import { keepPin, NAMES, type Account } from './account.ts';
import { readBackup, writeBackup } from './backup.ts';
import { encodePreKeys } from './prekeys.ts';
import { importedPreKeys } from './uploading.ts';
import { secureRandom } from './primitives.ts';
import type { View } from './records.ts';
import { readText, storable } from './texts.ts';
import { readPin } from './trust.ts';

/** Names of records at once: each transaction holds them all. */
const PORTION = 200;

/** Identity, pins, and texts where they are asked for. */
export async function exportBackup(account: Account, passphrase: string, history: boolean): Promise<Uint8Array> {
  if (typeof passphrase !== 'string' || passphrase === '') throw new TypeError('passphrase must not be empty');
  const { records, userId } = account;
  const seed = await records.transact([NAMES.identity], (view) => account.identity(view).seed);
  const pins = (await records.list(NAMES.pin(''))).flatMap(([name, value]) => {
    const pin = readPin(value);
    const identityKey = pin && fromBase64(pin.key);
    return pin === undefined || identityKey === undefined
      ? []
      : [{ userId: idIn(name), identityKey, verified: pin.verified }];
  });
  const texts = history ? await records.list(NAMES.text('')) : [];
  const backup = {
    userId,
    seed,
    pins,
    ...(history && { history: JSON.stringify(texts.map(([name, text]) => [idIn(name), text])) }),
  };
  return writeBackup(backup, passphrase, secureRandom);
}

/**
 * Puts what a backup holds in the place of what is here; texts are added. Sessions and prekeys were those of another
 * identity and go.
 *
 * @throws CommError `E2EE_DECRYPTION_FAILED`
 */
export async function importBackup(account: Account, bytes: Uint8Array, passphrase: string): Promise<void> {
  if (!(bytes instanceof Uint8Array)) throw new TypeError('bytes must be a Uint8Array');
  if (typeof passphrase !== 'string') throw new TypeError('passphrase must be a string');
  const read = await readBackup(bytes, passphrase);
  if (!read.ok) throw new CommError('E2EE_DECRYPTION_FAILED', `The backup can not be read: ${read.reason}`);
  const { backup } = read;
  if (backup.userId !== account.userId) throw new CommError('E2EE_DECRYPTION_FAILED', 'The backup is of another user');
  const { records } = account;
  const kinds = [NAMES.peer(''), NAMES.pin(''), NAMES.group(''), NAMES.given(''), NAMES.post('')];
  const gone = (await Promise.all(kinds.map((prefix) => records.names(prefix)))).flat();
  const pins = backup.pins.map(({ userId }) => NAMES.pin(userId));
  await records.transact([...new Set([...gone, ...pins, NAMES.identity, NAMES.preKeys])], (view) => {
    for (const name of gone) view.delete(name);
    view.put(NAMES.identity, backup.seed);
    view.put(NAMES.preKeys, encodePreKeys(importedPreKeys(secureRandom)));
    for (const { userId, identityKey, verified } of backup.pins) {
      keepPin(view, userId, { key: toBase64(identityKey), verified });
    }
  });
  const texts = readHistory(backup.history);
  for (let at = 0; at < texts.length; at += PORTION) {
    const portion = texts.slice(at, at + PORTION);
    await records.transact(
      portion.map(([id]) => NAMES.text(id)),
      (view) => addTexts(view, portion),
    );
  }
}

/** What is here is at least as new. */
function addTexts(view: View, texts: readonly (readonly [id: string, text: unknown])[]): void {
  for (const [id, value] of texts) {
    const text = readText(value);
    if (text !== undefined && view.get(NAMES.text(id)) === undefined) view.write(NAMES.text(id), storable(text));
  }
}

function readHistory(history: string | undefined): [id: string, text: unknown][] {
  if (history === undefined) return [];
  const entries = JSON.parse(history) as unknown;
  return Array.isArray(entries) ? (entries as [id: string, text: unknown][]) : [];
}

function idIn(name: string): string {
  return decodeURIComponent(name.slice(name.indexOf('/') + 1));
}
