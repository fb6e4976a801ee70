/** Public names of `lumen-comm-server`. Importing this module loads no Socket.IO; {@link createCommServer} loads it. */
export { createCommunicationHandler, type CommunicationHandlerOptions } from './communication-handler.ts';
export type { EngineSocket, LumenContext, LumenSocket } from './sockets/lumen-context.ts';
export {
  createCommunicationApiHandlers,
  type CommunicationApiHandlers,
  type HistoryOptions,
  type PageOptions,
  type RunResult,
  type SearchOptions,
} from './api-handlers.ts';
export { CommunicationStore, useCommunicationStore, type PresenceEntry } from './cluster/memory-ephemera.ts';
export type { Away, InvitationAnswer, CallRecord, Invitation, Seat } from './cluster/call-record.ts';
export type { Bus, BusListener } from './cluster/bus.ts';
export type {
  Awaitable,
  DerivedPresence,
  Device,
  Ephemera,
  EphemeraListener,
  LimitUse,
  LocalPresence,
  SharedLimits,
  UserPresence,
} from './cluster/ephemera.ts';
export { openRedis, type OpenRedisOptions, type SharedRedis } from './open-redis.ts';
export type { PresenceReader, RunningCalls } from './services/ports.ts';
export { ensureCommunicationTables } from './store/engine/migrate.ts';
export type { DatabaseSource } from './store/engine/database-source.ts';
export type {
  PostgresClient,
  PostgresPool,
  PostgresQuery,
  PostgresResult,
  RowTypes,
} from './store/engine/postgres-pool.ts';
export type { LumenDatabase, SqliteDatabase } from './store/engine/sqlite.ts';

export { attachCommunication, type AttachOptions } from './sockets/attach.ts';
export { createCommunicationRoutes, type CommunicationRoutes, type CommunicationRoutesOptions } from './routes.ts';
export { createCommServer, type CommServer, type CommServerOptions } from './create-server.ts';
export { createCommunicationApi, type CommunicationApi } from './api/communication-api.ts';
export type { ConversationsApi, NewConversation } from './api/conversations-api.ts';
export type { MessagesApi, RemoveMessage, SendAsSystem, SendAsUser } from './api/messages-api.ts';
export type { BansPage, BanTarget, ModerationApi, NewBan, ReportPage, ResolveReport } from './api/moderation-api.ts';
export type { UpsertUser, UsersApi } from './api/users-api.ts';
export type { Erasure } from './services/people/erasure-service.ts';
export type { UserRecord } from './services/people/export-service.ts';
export type { ListReports, Resolution } from './services/moderation/report-service.ts';
export type { UserBanPage } from './services/moderation/user-bans.ts';
export type { UserBan } from './store/queries/user-data/user-bans.ts';

export { jwtAuth, type JwksOptions, type JwtAuthOptions, type JwtSecretOptions } from './auth/jwt.ts';
export type { Authenticate, AuthRequest, GetUserId, Identity, IdentifyOptions } from './auth/authenticate.ts';
export type { ServerCoreOptions } from './server-core.ts';
export type {
  CommunicationConfig,
  FileUploadConfig,
  IceServerConfig,
  LumenOnlyConfig,
  MessageRateLimit,
  TurnConfig,
} from './config.ts';
export type { ProposedMessage, ReceivedFile, Report, ResolvedUser, ServerHooks } from './hooks.ts';
export {
  type ByteRange,
  type DirectUploads,
  type FileBackend,
  StorageUnavailable,
} from './services/files/file-backend.ts';
export type { FilesOptions } from './services/files/files-config.ts';
export type { S3Bucket } from './services/files/s3-client.ts';
export { s3Storage, type S3StorageOptions } from './services/files/s3-storage.ts';
export { DEFAULT_LIMITS, type RateLimit, type ServerLimits } from './services/limits/server-limits.ts';
export type { Fetch } from './http/http-app.ts';
export type { Clock } from '../lib/clock.ts';
export type { LogFields, Logger } from '../lib/logger.ts';
export type { Tracer, TraceSpan, TraceSpanOptions } from '../lib/tracing.ts';
export { CommError, isCommError, type ErrorCode } from '../protocol/errors.ts';
