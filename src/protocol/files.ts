import * as v from 'valibot';
import { SERVER_ERROR_CODES, type ServerErrorCode } from './errors.ts';
import { idSchema } from './fields.ts';
import { LIMITS } from './limits.ts';

export interface RequestUpload {
  conversationId: string;
  mimeType: string;
  /** Bytes. */
  size: number;
  fileName: string;
}
export interface UploadReady {
  fileId: string;
  uploadUrl: string;
  key: string;
  expiresAt: string;
}
export interface UploadError {
  code: ServerErrorCode;
  message: string;
}

export const requestUploadSchema = v.object({
  conversationId: idSchema,
  mimeType: v.pipe(v.string(), v.maxLength(127)),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  fileName: v.pipe(v.string(), v.nonEmpty(), v.maxLength(LIMITS.fileNameLength)),
}) satisfies v.GenericSchema<unknown, RequestUpload>;
export const uploadReadySchema = v.object({
  fileId: v.string(),
  uploadUrl: v.string(),
  key: v.string(),
  expiresAt: v.string(),
}) satisfies v.GenericSchema<unknown, UploadReady>;
export const uploadErrorSchema = v.object({
  code: v.picklist(SERVER_ERROR_CODES),
  message: v.string(),
}) satisfies v.GenericSchema<unknown, UploadError>;
