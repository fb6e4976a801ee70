/**
 * Test kit for apps and servers built on `lumen-comm-server`: the server in the test's process, the server as a process
 * that can be killed, and a TCP proxy that injects faults. Node only.
 *
 * @module
 */
export {
  startFaultProxy,
  type FaultFigures,
  type FaultProxy,
  type FaultProxyOptions,
  type LineFaults,
} from './fault-proxy.ts';
export {
  startServerProcess,
  type ProcessSignal,
  type ServerProcess,
  type ServerProcessOptions,
} from './server-process.ts';
export { startTestServer, type NewConversation, type TestServer, type TestServerOptions } from './start-test-server.ts';
