/** The server: LumenJS's socket handler and REST handlers, the same on any Socket.IO server, and a ready-made one. */
export { createCommunicationHandler, type CommunicationHandlerOptions } from './communication-handler.ts';
export type { LumenContext, LumenSocket } from './socket-io.ts';
export {
  createCommunicationApiHandlers,
  type CommunicationApiHandlers,
  type HistoryOptions,
  type PageOptions,
  type RunResult,
  type SearchOptions,
} from './api-handlers.ts';
export { CommunicationStore, useCommunicationStore, type PresenceEntry } from './store/ephemera/memory.ts';
export type { Answer, CallRecord, Invitation, Seat } from './store/ephemera/call-record.ts';
export type { PresenceReader } from './services/ports.ts';
export { ensureCommunicationTables } from './store/migrate.ts';
export type { DatabaseSource, LumenDatabase, PreparingDatabase } from './store/sqlite-port.ts';

export { attachCommunication, type AttachOptions } from './attach.ts';
export { createCommunicationRoutes, type CommunicationRoutes, type CommunicationRoutesOptions } from './routes.ts';
export { createCommServer, type CommServer, type CommServerOptions } from './create-server.ts';

export { jwtAuth, type JwksOptions, type JwtAuthOptions, type JwtSecretOptions } from './auth/jwt.ts';
export type { Authenticate, AuthRequest, GetUserId, Identity, IdentifyOptions } from './auth.ts';
export type { CoreOptions } from './core.ts';
export type { CommunicationConfig, FileUploadConfig, FloodLimit, MessageRateLimit } from './config.ts';
export type { Fetch } from './http/http-app.ts';
export type { Clock } from '../lib/clock.ts';
export type { LogFields, Logger } from '../lib/logger.ts';
export { CommError, isCommError, type ErrorCode } from '../protocol/errors.ts';
