import { toBase64Url } from '../../../lib/base64.ts';
import { concat, encodeUtf8, equalBytes, lp, u32 } from '../../../lib/bytes.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import {
  checkSkip,
  decryptPadded,
  encryptPadded,
  kdfChainKey,
  NONCE_BYTES,
  SENDER_KEY_INFO,
  skipMessageKeys,
} from './chain.ts';
import { buildEnvelope, encodeGroupHeader, type GroupEnvelope, isLaterFormat, parseGroupEnvelope } from './envelope.ts';
import { failure, type Outcome } from './failures.ts';
import { ed25519Sign, ed25519Verify, type Random, sha256 } from './primitives.ts';
import { findReceivingChain, type ReceivingChain, type SenderKeyRecord } from './sender-key-record.ts';
import type { LocalIdentity } from './session-record.ts';
import { addSkippedKeys, takeSkippedKey } from './skipped-keys.ts';

const AD_LABEL = encodeUtf8('NKC1-SKAD');
const SIGNATURE_LABEL = encodeUtf8('NKC1-SKSIG');
const SESSION_LABEL = encodeUtf8('NKC1-SKID');
/** Sender-key chains have no ratchet key. */
const NO_RATCHET_KEY = new Uint8Array(0);

/** Encrypts and decrypts group messages with sender keys. A failure changes nothing. */
export const GroupCipher = {
  /** Encrypts and signs on the sending chain that `GroupSessionBuilder.prepare` has ensured. */
  encrypt(
    record: SenderKeyRecord,
    { userId, identity }: LocalIdentity,
    plaintext: Uint8Array,
    random: Random,
  ): Outcome<{ record: SenderKeyRecord; envelope: EncryptedEnvelope }> {
    const { sendingChain, conversationId } = record;
    if (sendingChain === undefined) return failure('unknown-session');
    const { chainId, iteration } = sendingChain;
    const { key, chain } = kdfChainKey({ key: sendingChain.chainKey, next: iteration });
    const nonce = random(NONCE_BYTES);
    const header = encodeGroupHeader(chainId, iteration, nonce);
    const ad = labelled(AD_LABEL, conversationId, userId, header);
    const ciphertext = encryptPadded(key, plaintext, { info: SENDER_KEY_INFO, nonce, ad });
    const signed = labelled(SIGNATURE_LABEL, conversationId, userId, header, ciphertext);
    const signature = ed25519Sign(signed, sendingChain.signingKey);
    const from = { userId, identityKey: identity.publicKey };
    const sessionId = groupSessionId(conversationId, userId, chainId);
    return {
      ok: true,
      record: { ...record, sendingChain: { ...sendingChain, iteration: chain.next, chainKey: chain.key } },
      envelope: buildEnvelope(from, conversationId, sessionId, concat(header, ciphertext, signature)),
    };
  },

  /**
   * Verifies and decrypts a group message. `unknown-session` means that the sender's chain is missing: request it from the
   * sender once, with {@link chainIdOf}.
   */
  decrypt(
    record: SenderKeyRecord,
    local: Pick<LocalIdentity, 'userId'>,
    envelope: EncryptedEnvelope,
    now: number,
  ): Outcome<{ record: SenderKeyRecord; plaintext: Uint8Array; identityKey: Uint8Array }> {
    const { senderId } = envelope;
    const { conversationId } = record;
    if (envelope.recipientId !== conversationId || senderId === local.userId) return failure('not-ours');
    const parsed = parseGroupEnvelope(envelope);
    if (parsed === undefined) return failure(isLaterFormat(envelope) ? 'unsupported' : 'malformed');
    if (envelope.sessionId !== groupSessionId(conversationId, senderId, parsed.chainId)) return failure('malformed');
    const chain = findReceivingChain(record, senderId, parsed.chainId);
    if (chain === undefined) return failure('unknown-session');
    if (!equalBytes(chain.identityKey, parsed.identityKey)) return failure('wrong-key');
    const step = decryptOnChain(conversationId, chain, parsed, now);
    if (!step.ok) return step;
    const receivingChains = record.receivingChains.map((each) => (each === chain ? step.chain : each));
    return {
      ok: true,
      record: { ...record, receivingChains },
      plaintext: step.plaintext,
      identityKey: chain.identityKey,
    };
  },
} as const;

/** Returns the chain id in a group envelope's header, or `undefined` if the envelope is malformed. */
export function chainIdOf(envelope: EncryptedEnvelope): number | undefined {
  return parseGroupEnvelope(envelope)?.chainId;
}

function decryptOnChain(
  cid: string,
  chain: ReceivingChain,
  { header, ciphertext, nonce, iteration, signature }: GroupEnvelope,
  now: number,
): Outcome<{ chain: ReceivingChain; plaintext: Uint8Array }> {
  const { senderId, sigKey } = chain;
  const current = { key: chain.chainKey, next: chain.iteration };
  const skipped = takeSkippedKey(chain.skippedKeys, NO_RATCHET_KEY, iteration, now);
  const gap = checkSkip(current, iteration);
  if (skipped === undefined && !gap.ok) return gap;
  // The signature comes first: every member could have encrypted the message, but only its sender could have signed it.
  const signed = labelled(SIGNATURE_LABEL, cid, senderId, header, ciphertext);
  if (!ed25519Verify(signature, signed, sigKey)) return failure('bad-tag');
  const params = { info: SENDER_KEY_INFO, nonce, ad: labelled(AD_LABEL, cid, senderId, header) };
  if (skipped !== undefined) {
    const plaintext = decryptPadded(skipped.key, ciphertext, params);
    if (plaintext === undefined) return failure('bad-tag');
    return { ok: true, chain: { ...chain, skippedKeys: skipped.rest }, plaintext };
  }
  const reached = skipMessageKeys(current, iteration);
  const step = kdfChainKey(reached.chain);
  const plaintext = decryptPadded(step.key, ciphertext, params);
  if (plaintext === undefined) return failure('bad-tag');
  const skippedKeys = addSkippedKeys(chain.skippedKeys, NO_RATCHET_KEY, reached.skippedKeys, now);
  const next = { ...chain, iteration: step.chain.next, chainKey: step.chain.key, skippedKeys };
  return { ok: true, chain: next, plaintext };
}

function groupSessionId(cid: string, senderId: string, chainId: number): string {
  return toBase64Url(sha256(labelled(SESSION_LABEL, cid, senderId, u32(chainId))).subarray(0, 16));
}

function labelled(label: Uint8Array, cid: string, senderId: string, ...rest: readonly Uint8Array[]): Uint8Array {
  return concat(label, lp(cid), lp(senderId), ...rest);
}
