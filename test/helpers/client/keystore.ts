import { Keystore } from '../../../src/client/encryption/keystore/keystore.ts';
import type { Random } from '../../../src/client/encryption/nkc1/primitives.ts';
import { uuidv7 } from '../../../src/lib/ids.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { systemRandom } from '../../../src/lib/random.ts';
import type { CommStorage } from '../../../src/storage/comm-storage.ts';
import { memoryStorage } from '../../../src/storage/memory-storage.ts';
import type { EncryptionOptions } from '../../../src/client/options.ts';

/** Opens a keystore in memory, whose records are encrypted under a fixed key. */
export function openKeystore(
  userId: string,
  random: Random = (length) => systemRandom.bytes(length),
): Promise<Keystore> {
  return openStoredKeystore(memoryStorage(), userId, { key: new Uint8Array(32) }, random);
}

/** Opens a keystore in a storage, beside the client that uses it. */
export function openStoredKeystore(
  storage: CommStorage,
  userId: string,
  atRest?: EncryptionOptions['atRest'],
  random: Random = (length) => systemRandom.bytes(length),
): Promise<Keystore> {
  const services = { logger: silentLogger, random, newId: uuidv7 };
  const deps = { ...services, storage, atRest, isVolatile: true, hasStorageFailed: () => false };
  return Keystore.open(deps, userId);
}
