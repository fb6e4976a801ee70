import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';

/** A conversation as the server reports it. A base server leaves out the members. */
export interface ConversationInfo {
  readonly type: 'direct' | 'group';
  readonly userIds: readonly string[];
}

/** The other members of a conversation as last confirmed. */
export interface MemberPin {
  readonly type: 'direct' | 'group';
  /** Sorted, without the user. */
  readonly userIds: readonly string[];
  /** Other members that the server has reported since and that are not accepted. */
  readonly changedTo?: readonly string[] | undefined;
}

/** The members of an encrypted conversation differ from those confirmed before. */
export interface MembersChange {
  conversationId: string;
  /** The other members now, sorted. */
  members: string[];
  /** Members who were not confirmed before. */
  added: string[];
  /** Members who were confirmed before. */
  removed: string[];
  /**
   * True if messages are encrypted for these members from now on. If false, nothing is sent until
   * `encryption.acceptMembers()`. Always false for a direct conversation, and for a change that a member has reported.
   */
  accepted: boolean;
  /** The member whose message was encrypted for these members; absent if the server has reported the change. */
  reportedBy?: string | undefined;
}

/** The result of comparing reported members with the pinned ones. */
export interface MemberDecision {
  /** To be stored. */
  readonly pin: MemberPin;
  readonly accepted: boolean;
  /** To be emitted before keys are sent; absent if there is none, or it was emitted before. */
  readonly change?: Omit<MembersChange, 'conversationId'> | undefined;
}

/**
 * Compares the members that the server reports with the pinned ones. The peer of a direct conversation never changes. In a
 * group a member who left is accepted; an added member is accepted by the policy `warn`, and not by `block`.
 */
export function evaluateMembers(
  pin: MemberPin | undefined,
  { type, userIds }: ConversationInfo,
  policy: 'warn' | 'block',
): MemberDecision {
  const members = [...new Set(userIds)].sort();
  const isDirect = (pin?.type ?? type) === 'direct';
  if (pin === undefined && (!isDirect || members.length <= 1))
    return { pin: { type, userIds: members }, accepted: true };
  const known = pin ?? { type, userIds: [] };
  const added = members.filter((each) => !known.userIds.includes(each));
  const removed = known.userIds.filter((each) => !members.includes(each));
  if (added.length === 0 && removed.length === 0) {
    return { pin: known.changedTo === undefined ? known : { type: known.type, userIds: members }, accepted: true };
  }
  const accepted = !isDirect && (added.length === 0 || policy === 'warn');
  const change = { members, added, removed, accepted };
  if (accepted) return { pin: { type: known.type, userIds: members }, accepted, change };
  const isTold = known.changedTo !== undefined && known.changedTo.join('\n') === members.join('\n');
  return { pin: { ...known, changedTo: members }, accepted, change: isTold ? undefined : change };
}

/** Compares the recipients of a received message with the pinned members. Returns `undefined` if they are the same. */
export function compareRecipients(
  pin: MemberPin,
  ownId: string,
  senderId: string,
  to: readonly string[],
): Omit<MembersChange, 'conversationId'> | undefined {
  const members = [...new Set([...to, senderId])].filter((each) => each !== ownId).sort();
  const added = members.filter((each) => !pin.userIds.includes(each));
  const removed = pin.userIds.filter((each) => !members.includes(each));
  if (added.length === 0 && removed.length === 0) return undefined;
  return { members, added, removed, accepted: false, reportedBy: senderId };
}

/** Reads the pinned members. The transaction must declare `memberPin`. */
export function getMemberPin(tx: RecordTransaction, conversationId: string): MemberPin | undefined {
  const stored = tx.getJson(RECORDS.memberPin(conversationId));
  return typeof stored === 'object' && stored !== null && 'userIds' in stored ? (stored as MemberPin) : undefined;
}

/** Stores the pinned members. */
export function putMemberPin(
  tx: RecordTransaction,
  conversationId: string,
  { type, userIds, changedTo }: MemberPin,
): void {
  tx.putJson(RECORDS.memberPin(conversationId), {
    type,
    userIds: [...userIds],
    ...(changedTo !== undefined && { changedTo: [...changedTo] }),
  });
}

/** Reads the pinned members in a transaction of its own. */
export function readMemberPin({ records }: Keystore, conversationId: string): Promise<MemberPin | undefined> {
  return records.transact([RECORDS.memberPin(conversationId)], (tx) => getMemberPin(tx, conversationId));
}
