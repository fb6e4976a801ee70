import { lookupWork } from '../services/limits/request-work.ts';
import { defineHandler } from './define-handler.ts';

/** Handles `file:request-upload`: begins an upload and answers where to send the bytes. */
export const onRequestUpload = defineHandler(
  'file:request-upload',
  ({ caller, services }, request) => services.files.requestUpload(caller, request),
  {
    toPush: (data) => ({ event: 'file:upload-ready', data }),
    toErrorPush: ({ code, message }) => ({ event: 'file:upload-error', data: { code, message } }),
  },
);

/** Handles `file:sign`: returns short-lived URLs of files. */
export const onSignFiles = defineHandler(
  'file:sign',
  ({ caller, services }, { fileIds }) => services.files.sign(caller, fileIds),
  { work: ({ fileIds }) => lookupWork(fileIds) },
);
