import * as v from 'valibot';
import { idSchema } from '../../protocol/common-schemas.ts';
import {
  messageRefSchema,
  sendMessageSchema,
  type Message,
  type MessageRef,
  type SendMessage,
} from '../../protocol/messages.ts';
import { parseInput } from '../parse-input.ts';
import type { ServerCore } from '../server-core.ts';
import { appCaller } from '../services/chat/owner-of.ts';
import { SYSTEM_SENDER_ID } from '../services/chat/send-service.ts';

/** A message that the app sends as a user, who must be a member of the conversation. */
export interface SendAsUser extends Partial<SendMessage> {
  conversationId: string;
  /** User who is the sender. */
  senderId: string;
  system?: false | undefined;
}

/** A message of the app itself, such as "The order has been shipped". Its `senderId` is `system`, its type `system`. */
export interface SendAsSystem {
  conversationId: string;
  system: true;
  content: string;
}

/** Deletes a message. */
export interface RemoveMessage extends MessageRef {
  /** The moderator who is named to the clients. @defaultValue `system` */
  deletedBy?: string | undefined;
}

/** Messages, for the app's own backend. */
export interface MessagesApi {
  /**
   * Sends a message as a user, or as the system. With a `clientId`, sending as a user is idempotent.
   *
   * @throws CommError `NOT_FOUND` if there is no such conversation or the sender isn't a member, `MESSAGE_TOO_LONG`, and the other
   *   errors of `message:send`
   */
  send(message: SendAsUser | SendAsSystem): Promise<Message>;
  /** Replaces a message of any sender with a tombstone. Idempotent. @throws CommError `NOT_FOUND` */
  delete(message: RemoveMessage): Promise<Message>;
}

const asSystem = v.object({ conversationId: idSchema, system: v.literal(true), content: v.string() });
const asUser = v.object({ ...sendMessageSchema.entries, senderId: idSchema, system: v.optional(v.literal(false)) });
const removal = v.object({ ...messageRefSchema.entries, deletedBy: v.optional(idSchema) });

/** Implements {@link MessagesApi}. */
export function messagesApi(core: ServerCore): MessagesApi {
  const { sending, messages } = core.services;
  return {
    async send(message) {
      if (message.system === true) {
        const { conversationId, content } = parseInput(asSystem, message);
        await core.ready();
        return await sending.sendSystem(conversationId, content);
      }
      const { senderId, system: _, ...request } = parseInput(asUser, { content: '', type: 'text', ...message });
      await core.ready();
      return await sending.send(appCaller(senderId), request);
    },
    async delete(message) {
      const { deletedBy = SYSTEM_SENDER_ID, ...ref } = parseInput(removal, message);
      await core.ready();
      return await messages.delete({ ...appCaller(deletedBy), moderates: true }, ref);
    },
  };
}
