/** For the tests of apps: a real server, faults by a seed, and REST without a server. */
export { startTestServer, type NewConversation, type TestServer, type TestServerOptions } from './start-test-server.ts';
export { connectUser, type TestUser, type TestUserOptions } from './test-user.ts';
export {
  startServerProcess,
  type ProcessSignal,
  type ServerProcess,
  type ServerProcessOptions,
} from './server-process.ts';
export {
  startFaultProxy,
  type FaultFigures,
  type FaultProxy,
  type FaultProxyOptions,
  type LineFaults,
} from './fault-proxy.ts';
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
