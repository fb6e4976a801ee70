import type { KeyExchangeResponse } from '../../protocol/encryption.ts';
import { failure, type Outcome } from './failures.ts';

/** Somebody's public keys, checked: the identity is sound and has signed the signed prekey. */
export interface Bundle {
  readonly userId: string;
  readonly identityKey: Uint8Array;
  readonly signedPreKey: { readonly id: number; readonly publicKey: Uint8Array };
  readonly oneTimePreKey: { readonly id: number; readonly publicKey: Uint8Array } | undefined;
}

/** Reads what a server says are `userId`'s keys. Whether they are is for pins and safety numbers to say. */
export function readBundle(_userId: string, _response: KeyExchangeResponse): Outcome<{ bundle: Bundle }> {
  return failure('malformed');
}
