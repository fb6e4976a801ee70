import * as v from 'valibot';
import { idSchema } from '../../protocol/common-schemas.ts';
import {
  addParticipantsSchema,
  createConversationSchema,
  setRoleSchema,
  type AddParticipants,
  type Conversation,
  type CreateConversation,
  type SetRole,
} from '../../protocol/conversations.ts';
import { updateConversationSchema, type UpdateConversation } from '../../protocol/groups.ts';
import { parseInput } from '../parse-input.ts';
import type { ServerCore } from '../server-core.ts';
import { invalid } from '../services/errors.ts';
import { appCaller, ownerOf } from '../services/chat/owner-of.ts';

/** A conversation to create. `participantIds` contains every participant. */
export interface NewConversation extends CreateConversation {
  /** Owner of a group, who is a participant. @defaultValue the first participant */
  ownerId?: string | undefined;
}

/**
 * Conversations and their members, for the app's own backend. Groups are changed as by one of their owners: they keep an owner, and
 * the members of direct conversations can't change (`FORBIDDEN`).
 *
 * A returned conversation has no data of a single member: no unread messages and no flags.
 */
export interface ConversationsApi {
  /** Creates a group or a direct conversation. If the pair already has a direct conversation, returns it. */
  create(conversation: NewConversation): Promise<Conversation>;
  /** Changes the name and the settings of a group. */
  update(change: UpdateConversation): Promise<Conversation>;
  /**
   * Deletes a conversation with its messages and files: every member leaves it. Takes time in proportion to its messages, in steps
   * between which other requests run.
   */
  delete(conversationId: string): Promise<void>;
  /** Adds members to a group. Existing members are skipped. */
  addMembers(members: AddParticipants): Promise<Conversation>;
  /** Removes members of a group. Users who aren't members are skipped. */
  removeMembers(members: AddParticipants): Promise<void>;
  /** Changes the role of a member. @throws CommError `CONFLICT` if the group would have no owner */
  setRole(change: SetRole): Promise<Conversation>;
}

const creation = v.object({ ...createConversationSchema.entries, ownerId: v.optional(idSchema) });

/** Implements {@link ConversationsApi}. */
export function conversationsApi(core: ServerCore): ConversationsApi {
  const { conversations, groups, membership, departures } = core.services;
  return {
    async create(conversation) {
      const { ownerId, ...wanted } = parseInput(creation, conversation);
      const people = [...new Set(wanted.participantIds)];
      const creator = ownerId ?? people[0];
      if (creator === undefined) throw invalid('participantIds must not be empty');
      if (!people.includes(creator)) throw invalid('ownerId must be one of participantIds');
      await core.ready();
      return withoutMember(
        (await conversations.create(appCaller(creator), { ...wanted, participantIds: people })).conversation,
      );
    },
    async update(change) {
      const request = parseInput(updateConversationSchema, change);
      await core.ready();
      return withoutMember(await groups.update(await ownerOf(core.store, request.conversationId), request));
    },
    async delete(conversationId) {
      const id = parseInput(idSchema, conversationId);
      await core.ready();
      await departures.deleteConversation(id);
    },
    async addMembers(members) {
      const request = parseInput(addParticipantsSchema, members);
      await core.ready();
      return withoutMember(await membership.add(await ownerOf(core.store, request.conversationId), request));
    },
    async removeMembers(members) {
      const { conversationId, userIds } = parseInput(addParticipantsSchema, members);
      await core.ready();
      await ownerOf(core.store, conversationId);
      for (const userId of new Set(userIds)) await departures.leave(conversationId, userId);
    },
    async setRole(change) {
      const request = parseInput(setRoleSchema, change);
      await core.ready();
      return withoutMember(await membership.setRole(await ownerOf(core.store, request.conversationId), request));
    },
  };
}

/** Removes what belongs to the member as whom a conversation was read. */
function withoutMember(conversation: Conversation): Conversation {
  const {
    flagsRev: _flagsRev,
    readSeq: _readSeq,
    firstUnreadId: _first,
    followedThreads: _threads,
    ...rest
  } = conversation;
  const none = { unreadCount: 0, unreadMentions: 0, unreadThreads: 0 };
  return { ...rest, ...none, pinned: false, muted: false, archived: false };
}
