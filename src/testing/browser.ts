/** The part that runs in browsers too: faults by a seed on a client's socket, REST without a server, builders. */
export {
  buildConversation,
  buildMessage,
  buildMessages,
  buildParticipant,
  type ConversationFields,
  type MessageFields,
} from './builders.ts';
export { commHandlers, type CommHandlersOptions, type MswHttp } from './comm-handlers.ts';
export { faultySocket, type FaultySocket, type FaultySocketOptions, type FrameFaults } from './faulty-socket.ts';
export { seededRandom, type Random } from './random.ts';
export type { RestDataOptions } from './rest-data.ts';
