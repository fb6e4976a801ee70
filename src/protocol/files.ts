import * as v from 'valibot';
import { SERVER_ERROR_CODES, type ServerErrorCode } from './errors.ts';
import { idSchema, mimeTypeSchema } from './common-schemas.ts';
import { LIMITS } from './limits.ts';

/** Requests permission to upload a file for a conversation. */
export interface RequestUpload {
  conversationId: string;
  mimeType: string;
  /** Bytes. */
  size: number;
  fileName: string;
}
/** Permission to upload: where to, and until when (ISO 8601). */
export interface UploadReady {
  fileId: string;
  /**
   * Where to PUT the bytes, relative to the server's origin or absolute. The URL is the only credential of the upload: keep
   * it secret.
   */
  uploadUrl: string;
  /** Value for `MessageAttachment.url` once the file is uploaded. */
  key: string;
  expiresAt: string;
  /**
   * For clients with `uploads`. `tus`: `uploadUrl` is also an upload resource of tus 1.0, which can be resumed. `s3`: the same,
   * and the bytes can be sent to the storage of the server instead, in `parts`.
   */
  protocol?: 'tus' | 's3' | undefined;
  /** Present with the protocol `s3`. */
  parts?: UploadParts | undefined;
}
/**
 * State of an upload whose parts are sent to the storage of the server. GET of its `uploadUrl` returns it with new URLs, and
 * completes the upload once all parts are stored.
 */
export interface UploadParts {
  /** Bytes of each part but the last. */
  partBytes: number;
  /** Bytes of the stored parts. The file is complete if they are its size. */
  storedBytes: number;
  /**
   * The first parts that are not stored, at most `LIMITS.uploadParts`. Numbers start at 1. Each URL takes one PUT with exactly the
   * bytes of its part. It is absolute, and a credential.
   */
  missing: { number: number; url: string }[];
  /** When the URLs expire (ISO 8601). */
  expiresAt: string;
}
/** Requests short-lived URLs, by which a page can load files without a header. */
export interface SignFiles {
  /** Ids of files, at most `LIMITS.signedFiles`. */
  fileIds: string[];
}
/** Short-lived URLs of files, relative to the server's origin. Files that the caller may not read are omitted. */
export interface SignedFiles {
  files: { fileId: string; url: string }[];
  /** When the URLs expire (ISO 8601). */
  expiresAt: string;
}
/** Rejection of an upload. */
export interface UploadError {
  code: ServerErrorCode;
  message: string;
}

/** Validates {@link RequestUpload}. */
export const requestUploadSchema = v.object({
  conversationId: idSchema,
  mimeType: mimeTypeSchema,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  fileName: v.pipe(v.string(), v.nonEmpty(), v.maxLength(LIMITS.fileNameLength)),
}) satisfies v.GenericSchema<unknown, RequestUpload>;
/** Validates {@link UploadParts}. */
export const uploadPartsSchema = v.object({
  partBytes: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  storedBytes: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  missing: v.array(v.object({ number: v.pipe(v.number(), v.safeInteger(), v.minValue(1)), url: v.string() })),
  expiresAt: v.string(),
}) satisfies v.GenericSchema<unknown, UploadParts>;
/** Validates {@link UploadReady}. */
export const uploadReadySchema = v.object({
  fileId: v.string(),
  uploadUrl: v.string(),
  key: v.string(),
  expiresAt: v.string(),
  protocol: v.optional(v.picklist(['tus', 's3'])),
  parts: v.optional(uploadPartsSchema),
}) satisfies v.GenericSchema<unknown, UploadReady>;
/** Validates {@link SignFiles}. */
export const signFilesSchema = v.object({
  fileIds: v.pipe(v.array(idSchema), v.minLength(1), v.maxLength(LIMITS.signedFiles)),
}) satisfies v.GenericSchema<unknown, SignFiles>;
/** Validates {@link SignedFiles}. */
export const signedFilesSchema = v.object({
  files: v.array(v.object({ fileId: v.string(), url: v.string() })),
  expiresAt: v.string(),
}) satisfies v.GenericSchema<unknown, SignedFiles>;
/** Validates {@link UploadError}. */
export const uploadErrorSchema = v.object({
  code: v.picklist(SERVER_ERROR_CODES),
  message: v.string(),
}) satisfies v.GenericSchema<unknown, UploadError>;
