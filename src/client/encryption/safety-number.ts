/** Who is compared: user id and identity key. */
export interface Party {
  readonly userId: string;
  readonly identityKey: Uint8Array;
}

/** The 60 digits that both see alike, as libsignal's `Fingerprint.new(5200, 2, …)` makes them. 5,200 hashes a party: cache it. */
export function safetyNumber(_local: Party, _remote: Party): string {
  throw new Error('not yet');
}

/** `NKC1:` and what the other side's {@link matchesQr} wants to see. */
export function qrPayload(_local: Party, _remote: Party): string {
  throw new Error('not yet');
}

/** Whether what was scanned from the other's screen says the same keys, crosswise. */
export function matchesQr(_scanned: string, _local: Party, _remote: Party): boolean {
  throw new Error('not yet');
}
