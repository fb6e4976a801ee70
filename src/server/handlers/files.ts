import { CommError } from '../../protocol/errors.ts';
import { defineHandler } from './define-handler.ts';

/** Part of the base protocol, so it is answered; this version takes no uploads. */
export const onRequestUpload = defineHandler(
  'file:request-upload',
  () => {
    throw new CommError('UNSUPPORTED', 'This server takes no uploads');
  },
  { refused: ({ code, message }) => ({ event: 'file:upload-error', data: { code, message } }) },
);
