/**
 * Test kit for apps built on `lumen-comm`: fault injection for a client's connection, bare users for the other end of a
 * conversation, REST mocks and builders. Runs in Node and in browsers. A real server for tests is in
 * `lumen-comm-server/testing`.
 *
 * @module
 */
export {
  buildConversation,
  buildMessage,
  buildMessages,
  buildParticipant,
  type ConversationFields,
  type MessageFields,
} from './builders.ts';
export { commHandlers, type CommHandlersOptions, type MswHttp } from './comm-handlers.ts';
export { connectUser, type TestUser, type TestUserOptions } from './connect-user.ts';
export { faultySocket, type FaultySocket, type FaultySocketOptions, type FrameFaults } from './faulty-socket.ts';
export { seededRandom, type Random } from '../lib/seeded-random.ts';
export type { RestDataOptions } from './rest-data.ts';
