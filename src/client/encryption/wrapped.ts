import type { Logger } from '../../lib/logger.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import type { EncryptionOptions } from '../options.ts';
import type { Random } from './primitives.ts';

export interface DataKeyDeps {
  storage: CommStorage;
  /** Where the wrapped key is kept. */
  storeKey: string;
  atRest: EncryptionOptions['atRest'];
  /** What is stored is gone with the process. */
  isVolatile: boolean;
  logger: Logger;
  random: Random;
}

/** How the data key is kept: `none` is as it is, where nothing on this device could guard it. */
export type Wrap = 'device' | 'passphrase' | 'key' | 'none';

export interface Wrapped {
  readonly wrap: Wrap;
  /** Base64: nonce and box, or the key itself. */
  readonly key: string;
  /** Of a passphrase: base64, and scrypt's N = 2^log2N with r = 8, p = 1. */
  readonly salt?: string;
  readonly log2N?: number;
}
