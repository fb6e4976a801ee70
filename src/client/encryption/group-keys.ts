import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import { encryptIn, NAMES, pinIn, postIn, type Account } from './account.ts';
import { decodeGroup, encodeGroup, isSameMember, newGroup, type Group, type Member } from './group.ts';
import { CALL, keepCallKey } from './call-key-record.ts';
import { encodePayload, readPayload, type MessagePayload, type Payload, type SenderKey } from './payload.ts';
import { secureRandom } from './primitives.ts';
import { failed, type News, type Reading } from './receiving.ts';
import type { View } from './records.ts';
import { acceptSenderKey, encryptToGroup, markGiven, prepareChain, receiveInGroup } from './sender-keys.ts';
import { shownKey } from './trust.ts';

export { chainIdOf } from './sender-keys.ts';

/*
 * The steps of groups: a chunk of its own, loaded with the first group that somebody writes in. All need the records
 * `identity`, `group` and `given`, and `peer` and `pin` of those whom they are about.
 */

/** What each member was given of the own chain, to be given again to whoever has lost it. */
interface Given {
  readonly chainId: number;
  readonly sigKey: string;
  readonly keys: Readonly<Record<string, { readonly iteration: number; readonly chainKey: string }>>;
}

/**
 * Encrypts for a group, and puts what each reader has yet to be given of the key into the post.
 * @returns `undefined` where a session has gone meanwhile
 */
export function sealForGroup(
  view: View,
  account: Account,
  readers: readonly string[],
  payload: MessagePayload,
  now: number,
): EncryptedEnvelope | undefined {
  const { cid } = payload;
  const members = readers.flatMap((userId) => {
    const pin = pinIn(view, userId);
    return pin === undefined ? [] : [{ userId, identityKey: shownKey(pin) }];
  });
  const { group, senderKey, missing } = prepareChain(groupIn(view, cid), members, secureRandom, now);
  for (const { userId } of missing) if (!postKey(view, account, userId, senderKey, now)) return undefined;
  keepGiven(view, senderKey, missing);
  const from = { userId: account.userId, identity: account.identity(view) };
  const step = encryptToGroup(markGiven(group, senderKey.chainId, missing), from, encodePayload(payload), secureRandom);
  if (!step.ok) return undefined;
  view.put(NAMES.group(cid), encodeGroup(step.group));
  return step.envelope;
}

export function receiveForGroup(
  view: View,
  account: Account,
  cid: string,
  envelope: EncryptedEnvelope,
  now: number,
): { ok: true; payload: Payload; news: News } | Extract<Reading, { ok: false }> {
  const step = receiveInGroup(groupIn(view, cid), account, envelope, now);
  if (!step.ok) {
    // A chain that is known from later on only, as it is to somebody who joined, looks like one that was read before.
    return failed(step.reason === 'unknown-session' || step.reason === 'replay' ? 'no-sender-key' : step.reason);
  }
  // The key came on a session, where its owner's identity was looked at. That may have been another one than now.
  const pin = pinIn(view, envelope.senderId);
  if (pin?.changedTo !== undefined) return failed('identity-changed');
  if (pin?.key !== toBase64(step.identityKey)) return failed('wrong-key');
  const payload = readPayload(step.plaintext);
  view.put(NAMES.group(cid), encodeGroup(step.group));
  return payload === undefined ? failed('invalid') : { ok: true, payload, news: {} };
}

/** @returns whether it is a key that messages may be read with */
export function acceptKey(view: View, sender: Member, key: SenderKey, now: number): boolean {
  if (key.cid.startsWith(CALL)) {
    keepCallKey(view, sender.userId, key, now);
    return false;
  }
  const step = acceptSenderKey(groupIn(view, key.cid), sender, key);
  if (step.ok) view.put(NAMES.group(key.cid), encodeGroup(step.group));
  return step.ok;
}

/**
 * A member who can't read asks for the key: they get what they were given before, and nobody else gets anything, nor does
 * whoever shows another identity key than the one that it was given to.
 */
export function giveAgain(
  view: View,
  account: Account,
  member: Member,
  { cid, chainId }: { readonly cid: string; readonly chainId: number },
  now: number,
): boolean {
  const { own } = groupIn(view, cid);
  if (own?.chainId !== chainId || !own.given.some((each) => isSameMember(each, member))) return false;
  const given = givenIn(view, cid);
  const held = given?.chainId === chainId ? given.keys[member.userId] : undefined;
  const chainKey = held && fromBase64(held.chainKey);
  const sigKey = given && fromBase64(given.sigKey);
  if (held === undefined || chainKey === undefined || sigKey === undefined) return false;
  return postKey(view, account, member.userId, { cid, chainId, iteration: held.iteration, chainKey, sigKey }, now);
}

/** Asks for a key, unless it has come. @returns whether something is to be posted */
export function askForKey(
  view: View,
  account: Account,
  senderId: string,
  asked: { readonly cid: string; readonly chainId: number },
  now: number,
): boolean {
  const { others } = groupIn(view, asked.cid);
  if (others.some((chain) => chain.senderId === senderId && chain.chainId === asked.chainId)) return false;
  return postKey(view, account, senderId, asked, now);
}

function postKey(
  view: View,
  account: Account,
  userId: string,
  senderKey: SenderKey | { readonly cid: string; readonly chainId: number },
  now: number,
): boolean {
  const payload = { kind: 'sender-key', id: uuidv7(), ts: now, cid: senderKey.cid, senderKey } as const;
  const step = encryptIn(view, account, userId, payload);
  if (step.ok) postIn(view, step.envelope);
  return step.ok;
}

function groupIn(view: View, conversationId: string): Group {
  const stored = view.get(NAMES.group(conversationId));
  return (stored && decodeGroup(stored)) ?? newGroup(conversationId);
}

function givenIn(view: View, cid: string): Given | undefined {
  const stored = view.read(NAMES.given(cid));
  return typeof stored === 'object' && stored !== null && 'keys' in stored ? (stored as Given) : undefined;
}

function keepGiven(view: View, senderKey: SenderKey, members: readonly Member[]): void {
  const { cid, chainId, iteration } = senderKey;
  const before = givenIn(view, cid);
  if (members.length === 0 && before?.chainId === chainId) return;
  const key = { iteration, chainKey: toBase64(senderKey.chainKey) };
  const keys = {
    ...(before?.chainId === chainId && before.keys),
    ...Object.fromEntries(members.map(({ userId }) => [userId, key])),
  };
  view.write(NAMES.given(cid), { chainId, sigKey: toBase64(senderKey.sigKey), keys });
}
