import { toBase64Url } from '../../lib/base64.ts';
import { concat, encodeUtf8, equalBytes, lp, u32 } from '../../lib/bytes.ts';
import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import { checkGap, GROUP_INFO, nextMessageKey, NONCE_BYTES, openPadded, sealPadded, skipTo } from './chain.ts';
import { buildEnvelope, type GroupEnvelope, groupHeader, parseGroupEnvelope } from './envelope.ts';
import { failure, type Outcome } from './failures.ts';
import { type Group, isSameMember, type Member, type MemberChain, type OwnChain } from './group.ts';
import type { SenderKey } from './payload.ts';
import type { OwnIdentity } from './peer-sessions.ts';
import { identityToDh, type Random, sha256, sign, signingKeyPair, verify } from './primitives.ts';
import { takeSkipped, withSkipped } from './skipped-keys.ts';

const AD_LABEL = encodeUtf8('NKC1-SKAD');
const SIGNATURE_LABEL = encodeUtf8('NKC1-SKSIG');
const SESSION_LABEL = encodeUtf8('NKC1-SKID');
const MAX_AGE_MS = 7 * 24 * 60 * 60_000;
const MAX_MESSAGES = 1_000;
/** Chains of one member that are kept: what was sent on older ones may still come. */
const MAX_CHAINS = 5;
const NO_DH = new Uint8Array(0);

/**
 * Makes sure that the own chain may be used among these members (all others of the conversation): a new one when somebody
 * left or changed keys, after 7 days, after 1,000 messages. `missing` are those who must be given `senderKey` pairwise
 * before a message goes out; then {@link markGiven}.
 */
export function prepareChain(
  group: Group,
  members: readonly Member[],
  random: Random,
  now: number,
): { group: Group; senderKey: SenderKey; missing: readonly Member[] } {
  const own = group.own !== undefined && isUsable(group.own, members, now) ? group.own : newChain(random, now);
  return {
    group: { ...group, own },
    senderKey: {
      cid: group.conversationId,
      chainId: own.chainId,
      iteration: own.iteration,
      chainKey: own.chainKey,
      sigKey: own.signingKey.slice(32),
    },
    missing: members.filter((member) => !own.given.some((given) => isSameMember(given, member))),
  };
}

function isUsable({ createdAt, iteration, given }: OwnChain, members: readonly Member[], now: number): boolean {
  if (now - createdAt >= MAX_AGE_MS || iteration >= MAX_MESSAGES) return false;
  return given.every((one) => members.some((member) => isSameMember(member, one)));
}

function newChain(random: Random, now: number): OwnChain {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  const chainId = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  return {
    chainId,
    iteration: 0,
    chainKey: random(32),
    signingKey: signingKeyPair(random(32)).secretKey,
    createdAt: now,
    given: [],
  };
}

/** These members were given the key of the own chain, if it is still that one. */
export function markGiven(group: Group, chainId: number, members: readonly Member[]): Group {
  const { own } = group;
  if (own?.chainId !== chainId) return group;
  const added = members.filter((member) => !own.given.some((given) => isSameMember(given, member)));
  return { ...group, own: { ...own, given: [...own.given, ...added] } };
}

/** Takes a key that came pairwise from `sender`, under that identity key. One that is here already stays as far as it has come. */
export function acceptSenderKey(group: Group, sender: Member, key: SenderKey): Outcome<{ group: Group }> {
  if (key.cid !== group.conversationId) return failure('not-ours');
  if (identityToDh(key.sigKey) === undefined) return failure('bad-key');
  if (findChain(group, sender.userId, key.chainId) !== undefined) return { ok: true, group };
  const { chainId, iteration, chainKey, sigKey } = key;
  const chain: MemberChain = {
    senderId: sender.userId,
    identityKey: sender.identityKey,
    chainId,
    iteration,
    chainKey,
    sigKey,
    skipped: [],
  };
  const theirs = group.others.filter(({ senderId }) => senderId === sender.userId);
  const excess = new Set(theirs.slice(0, Math.max(0, theirs.length + 1 - MAX_CHAINS)));
  return { ok: true, group: { ...group, others: [...group.others.filter((each) => !excess.has(each)), chain] } };
}

/** Encrypts on the own chain, which {@link prepareChain} has made. */
export function encryptToGroup(
  group: Group,
  { userId, identity }: OwnIdentity,
  plaintext: Uint8Array,
  random: Random,
): Outcome<{ group: Group; envelope: EncryptedEnvelope }> {
  const { own, conversationId } = group;
  if (own === undefined) return failure('unknown-session');
  const { key, chain } = nextMessageKey({ key: own.chainKey, next: own.iteration });
  const nonce = random(NONCE_BYTES);
  const header = groupHeader(own.chainId, own.iteration, nonce);
  const ad = labelled(AD_LABEL, conversationId, userId, header);
  const body = sealPadded(key, plaintext, { info: GROUP_INFO, nonce, ad });
  const signed = labelled(SIGNATURE_LABEL, conversationId, userId, header, body);
  const signature = sign(signed, own.signingKey);
  const from = { userId, identityKey: identity.publicKey };
  const sessionId = groupSessionId(conversationId, userId, own.chainId);
  return {
    ok: true,
    group: { ...group, own: { ...own, iteration: chain.next, chainKey: chain.key } },
    envelope: buildEnvelope(from, conversationId, sessionId, concat(header, body, signature)),
  };
}

/** `unknown-session`: the chain isn't here; ask its sender once, with {@link chainIdOf}. A failure has changed nothing. */
export function receiveInGroup(
  group: Group,
  own: Pick<OwnIdentity, 'userId'>,
  envelope: EncryptedEnvelope,
  now: number,
): Outcome<{ group: Group; plaintext: Uint8Array; identityKey: Uint8Array }> {
  const { senderId } = envelope;
  if (envelope.recipientId !== group.conversationId || senderId === own.userId) return failure('not-ours');
  const parsed = parseGroupEnvelope(envelope);
  if (parsed === undefined) return failure('malformed');
  if (envelope.sessionId !== groupSessionId(group.conversationId, senderId, parsed.chainId))
    return failure('malformed');
  const chain = findChain(group, senderId, parsed.chainId);
  if (chain === undefined) return failure('unknown-session');
  if (!equalBytes(chain.identityKey, parsed.identityKey)) return failure('wrong-key');
  const read = readOn(group.conversationId, chain, parsed, now);
  if (!read.ok) return read;
  const others = group.others.map((each) => (each === chain ? read.chain : each));
  return { ok: true, group: { ...group, others }, plaintext: read.plaintext, identityKey: chain.identityKey };
}

function readOn(
  cid: string,
  chain: MemberChain,
  { header, body, nonce, n, signature }: GroupEnvelope,
  now: number,
): Outcome<{ chain: MemberChain; plaintext: Uint8Array }> {
  const { senderId, sigKey } = chain;
  const at = { key: chain.chainKey, next: chain.iteration };
  const kept = takeSkipped(chain.skipped, NO_DH, n, now);
  const gap = checkGap(at, n);
  if (kept === undefined && !gap.ok) return gap;
  // Whose it is comes first: every member could have sealed it, and only its sender can have signed it.
  if (!verify(signature, labelled(SIGNATURE_LABEL, cid, senderId, header, body), sigKey)) return failure('bad-tag');
  const sealing = { info: GROUP_INFO, nonce, ad: labelled(AD_LABEL, cid, senderId, header) };
  if (kept !== undefined) {
    const plaintext = openPadded(kept.key, body, sealing);
    if (plaintext === undefined) return failure('bad-tag');
    return { ok: true, chain: { ...chain, skipped: kept.rest }, plaintext };
  }
  const reached = skipTo(at, n);
  const step = nextMessageKey(reached.chain);
  const plaintext = openPadded(step.key, body, sealing);
  if (plaintext === undefined) return failure('bad-tag');
  const skipped = withSkipped(chain.skipped, NO_DH, reached.skipped, now);
  return { ok: true, chain: { ...chain, iteration: step.chain.next, chainKey: step.chain.key, skipped }, plaintext };
}

/** The chain that an envelope says it is on. */
export function chainIdOf(envelope: EncryptedEnvelope): number | undefined {
  return parseGroupEnvelope(envelope)?.chainId;
}

function findChain(group: Group, senderId: string, chainId: number): MemberChain | undefined {
  return group.others.find((chain) => chain.senderId === senderId && chain.chainId === chainId);
}

function groupSessionId(cid: string, senderId: string, chainId: number): string {
  return toBase64Url(sha256(labelled(SESSION_LABEL, cid, senderId, u32(chainId))).subarray(0, 16));
}

function labelled(label: Uint8Array, cid: string, senderId: string, ...rest: readonly Uint8Array[]): Uint8Array {
  return concat(label, lp(cid), lp(senderId), ...rest);
}
