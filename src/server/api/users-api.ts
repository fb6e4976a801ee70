import * as v from 'valibot';
import { idSchema } from '../../protocol/common-schemas.ts';
import { updateUserSchema, type UpdateUser, type User } from '../../protocol/users.ts';
import { parseInput } from '../parse-input.ts';
import type { ServerCore } from '../server-core.ts';

/** Changes the stored profile of a user. A field that is absent stays unchanged; `null` clears it. */
export interface UpsertUser extends UpdateUser {
  id: string;
}

/** Users, for the app's own backend. */
export interface UsersApi {
  /**
   * Stores the profile of a user, who needs not have connected before, and returns the profile as others see it. The hook
   * `resolveUsers` has precedence over what is stored. Pushed to the users who share a conversation.
   *
   * @throws CommError `INVALID`, also without a field to change
   */
  upsert(user: UpsertUser): Promise<User>;
}

const upsertSchema = v.intersect([v.object({ id: idSchema }), updateUserSchema]);

/** Implements {@link UsersApi}. */
export function usersApi(core: ServerCore): UsersApi {
  return {
    async upsert(user) {
      const { id, ...change } = parseInput(upsertSchema, user);
      await core.ready();
      return await core.services.profiles.upsert(id, change);
    },
  };
}
