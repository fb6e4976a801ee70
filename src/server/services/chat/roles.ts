import { membershipOf, type Membership } from '../../store/queries/members.ts';
import type { Work } from '../../store/engine/work.ts';
import { forbidden, notFound } from '../errors.ts';
import type { Role } from '../../../protocol/constants.ts';

/** Requires the role admin or owner. @throws CommError `NOT_FOUND`, `FORBIDDEN` */
export function* requireManager(conversationId: string, userId: string): Work<Membership> {
  const member = yield* requireGroupMember(conversationId, userId);
  if (member.role === 'member') throw forbidden('Requires the role admin or owner');
  return member;
}

/**
 * Requires a membership in a group. @throws CommError `NOT_FOUND` for users who aren't members, `FORBIDDEN` for a
 * direct conversation
 */
export function* requireGroupMember(conversationId: string, userId: string): Work<Membership> {
  const member = yield* membershipOf(conversationId, userId);
  if (member === undefined) throw notFound();
  if (member.type === 'direct') throw forbidden('The participants and the name of a direct conversation cannot change');
  return member;
}

/** Returns whether the actor may ban a member with this role: owners may ban everyone, admins only members. */
export function canBan(actor: Role, target: Role): boolean {
  return actor === 'owner' || (actor === 'admin' && target === 'member');
}

/**
 * Returns whether the actor may change members with these roles: owners may change everyone, admins everyone but
 * owners.
 */
export function canActOn(actor: Role, ...roles: readonly Role[]): boolean {
  if (actor === 'owner') return true;
  return actor === 'admin' && !roles.includes('owner');
}
