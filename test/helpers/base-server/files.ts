import { strings, type Handler } from './connection.ts';

/** Answers where to PUT a file, without saying which request is answered. */
export function fileHandlers(): Readonly<Record<string, Handler>> {
  return {
    'file:request-upload': (connection, payload) => {
      const names = strings(payload, 'fileName');
      if (names === undefined) return;
      connection.push('file:upload-ready', {
        fileId: names.fileName,
        uploadUrl: `https://storage.example.com/${names.fileName}?signature=1`,
        key: `uploads/${names.fileName}`,
        expiresAt: '2030-01-01T00:00:00.000Z',
      });
    },
  };
}
