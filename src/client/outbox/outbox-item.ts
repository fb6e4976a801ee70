import { CommError } from '../../protocol/errors.ts';
import type { RequestOf } from '../../protocol/events.ts';
import type { SendMessage } from '../../protocol/messages.ts';
import type { ReportMessage } from '../../protocol/moderation.ts';

/** The requests that are queued while there is no connection. */
export type OperationName =
  | 'message:send'
  | 'message:edit'
  | 'message:delete'
  | 'message:react'
  | 'message:forward'
  | 'message:pin'
  | 'message:report'
  | 'message:read'
  | 'thread:read';

/** A file of a message in the outbox, which is uploaded before the message is sent. */
export interface QueuedFile {
  /** Identifies the bytes on this device; a UUIDv7. */
  readonly id: string;
  /** Place among the `attachments` of the message. Until the file is uploaded, the `url` there is empty. */
  readonly at: number;
}

/** A message as it is queued. */
export interface QueuedMessage extends SendMessage {
  readonly files?: readonly QueuedFile[] | undefined;
}

/** A report as it is queued. */
export interface QueuedReport extends ReportMessage {
  /** True adds the text of an encrypted message when the report is sent: the outbox is not encrypted. */
  readonly includeContent?: boolean | undefined;
}

/** The requests whose payload in the queue differs from the one that is sent. */
interface QueuedPayloads {
  'message:send': QueuedMessage;
  'message:report': QueuedReport;
}

/** A queued request. */
export type Operation = {
  [K in OperationName]: { name: K; payload: K extends keyof QueuedPayloads ? QueuedPayloads[K] : RequestOf<K> };
}[OperationName];

/**
 * Returns whether only a server with the capability `moderation` can apply a request. Another one would drop the metadata of a
 * message without notice.
 */
export function needsModeration({ name, payload }: Operation): boolean {
  return (
    name === 'message:pin' || name === 'message:report' || ('metadata' in payload && payload.metadata !== undefined)
  );
}

/** A queued request with its place in the outbox. */
export interface OutboxItem {
  /** Sent with each attempt, so that the server applies the request once. */
  readonly clientId: string;
  /** UUIDv7 of the time of the call: later items sort later, whatever client ids the app chooses. */
  readonly order: string;
  /** Items of one lane are sent in order; usually the conversation id. */
  readonly lane: string;
  readonly operation: Operation;
  /** True once files of this device were uploaded unencrypted: the message must not become an encrypted one. Never stored. */
  readonly hasReadableFiles?: boolean | undefined;
  /** Rejected by the server: it stays until `retry()` or `discard()`. */
  readonly parked: boolean;
}

/** The error of `retry()` for an unknown item. */
export function notFound(): CommError {
  return new CommError('NOT_FOUND', 'The outbox has no message with this clientId');
}

/** The error of a send that was discarded. */
export function discarded(): CommError {
  return new CommError('CANCELLED', 'The message was discarded');
}

/** The error of sends that wait when the client is disposed of. */
export function closed(): CommError {
  return new CommError('DISCONNECTED', 'The client was disposed of');
}

/** The error of a send that finds no room in the outbox. */
export function full(): CommError {
  return new CommError('OUTBOX_FULL', 'The outbox is full: 10,000 requests wait', {
    fix: 'Wait, or discard failed messages.',
  });
}
