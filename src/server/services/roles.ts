import { membershipOf, type Membership } from '../store/members.ts';
import type { Work } from '../store/work.ts';
import { forbidden, notFound } from './refusals.ts';
import type { Role } from '../../protocol/vocabulary.ts';

/** The member's own standing, where it allows to manage the group. */
export function* mayManage(conversationId: string, userId: string): Work<Membership> {
  const member = yield* groupMember(conversationId, userId);
  if (member.role === 'member') throw forbidden('Only the owner and admins of the group can do this');
  return member;
}

/** @throws CommError `NOT_FOUND` for whoever isn't in it, `FORBIDDEN` for a direct conversation */
export function* groupMember(conversationId: string, userId: string): Work<Membership> {
  const member = yield* membershipOf(conversationId, userId);
  if (member === undefined) throw notFound();
  if (member.type === 'direct') throw forbidden('A direct conversation stays with the two people it was made for');
  return member;
}

/** Admins act on members and on each other; what concerns an owner takes an owner. */
export function mayActOn(actor: Role, ...roles: readonly Role[]): boolean {
  if (actor === 'owner') return true;
  return actor === 'admin' && !roles.includes('owner');
}
