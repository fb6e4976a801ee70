import type { Schema } from './json-schemas.ts';

/** An operation on bytes instead of JSON. */
export interface FileOperation {
  readonly operationId: string;
  readonly description: string;
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, object>>;
}
/** Paths of files and uploads, which no schema of the protocol describes: their bodies are bytes, their state is in headers. */
export interface FilePath {
  readonly parameters: readonly object[];
  readonly operations: Readonly<Record<string, FileOperation>>;
  /** Whether the URL authorizes by itself. */
  readonly isCredential: boolean;
}

const bytes = { 'application/octet-stream': {} };
const uuid: Schema = { type: 'string', format: 'uuid' };
const wholeNumber: Schema = { type: 'integer', minimum: 0 };

const parameter = (place: string, name: string, schema: Schema, description: string, required = false): object => ({
  name,
  in: place,
  required,
  description,
  schema,
});
const tusResumable = parameter('header', 'Tus-Resumable', { const: '1.0.0' }, 'Version of the tus protocol.', true);
const header = (schema: Schema, description: string): object => ({ description, schema });
const tusHeaders = {
  'Tus-Resumable': header({ const: '1.0.0' }, 'Version of the tus protocol.'),
  'Upload-Offset': header(wholeNumber, 'Received bytes.'),
  'Upload-Length': header(wholeNumber, 'Size of the file in bytes.'),
  'Upload-Expires': header({ type: 'string' }, 'When the upload expires (RFC 9110).'),
};
const fileHeaders = {
  ETag: header({ type: 'string' }, 'Identifies the content, which never changes.'),
  'Content-Disposition': header({ type: 'string' }, 'Name of the file, and whether a browser may display it.'),
  'Accept-Ranges': header({ const: 'bytes' }, 'Ranges are supported.'),
};
const contentRange = { 'Content-Range': header({ type: 'string' }, 'The returned range and the size of the file.') };
const tusFailures = {
  '412': { description: 'Tus-Resumable has another version. The body is an error with the code UNSUPPORTED.' },
  '415': { description: 'Content-Type is not application/offset+octet-stream.' },
};

/** The operations of `file-routes.ts`. A test compares both. @param parts - schema of the state of a direct upload */
export function filePaths(parts: Schema): Readonly<Record<string, FilePath>> {
  return {
    '/files/{id}/{name}': {
      isCredential: false,
      parameters: [
        parameter('path', 'id', uuid, 'Id of the file.', true),
        parameter('path', 'name', { type: 'string' }, 'Name of the file. Ignored.', true),
        parameter('query', 'expires', { type: 'string' }, 'Of a URL that `file:sign` returned.'),
        parameter('query', 'user', { type: 'string' }, 'Of a URL that `file:sign` returned.'),
        parameter('query', 'signature', { type: 'string' }, 'Of a URL that `file:sign` returned.'),
      ],
      operations: {
        get: {
          operationId: 'downloadFile',
          description: 'Returns a file, or a range of it. A signed URL needs no further credentials.',
          parameters: [
            parameter('header', 'Range', { type: 'string' }, 'One range of bytes.'),
            parameter('header', 'If-Range', { type: 'string' }, 'Returns the whole file unless this is its ETag.'),
            parameter('header', 'If-None-Match', { type: 'string' }, 'Returns 304 if this is the ETag of the file.'),
          ],
          responses: {
            '200': { description: 'The file.', headers: fileHeaders, content: { '*/*': {} } },
            '206': { description: 'The range.', headers: { ...fileHeaders, ...contentRange }, content: { '*/*': {} } },
            '304': { description: 'The file is that of `If-None-Match`.' },
            '416': { description: 'The range contains no byte of the file.', headers: contentRange },
          },
        },
        head: {
          operationId: 'describeFile',
          description: 'Returns the headers of a file.',
          responses: { '200': { description: 'The file exists.', headers: fileHeaders } },
        },
      },
    },
    '/uploads/{id}/{key}': {
      isCredential: true,
      parameters: [
        parameter('path', 'id', uuid, 'Id of the file.', true),
        parameter('path', 'key', { type: 'string' }, 'Authorizes the upload. Keep it secret.', true),
      ],
      operations: {
        put: {
          operationId: 'uploadFile',
          description: 'Uploads a whole file.',
          requestBody: { required: true, description: 'The file, with the announced size.', content: bytes },
          responses: {
            '200': {
              description: 'The file is stored.',
              content: {
                'application/json': {
                  schema: { type: 'object', properties: { url: { type: 'string' } }, required: ['url'] },
                },
              },
            },
          },
        },
        get: {
          operationId: 'listUploadParts',
          description:
            'Returns the parts that are still to be sent to the storage of the server, and completes the upload once all of them are stored. Only for uploads with the protocol `s3`.',
          responses: {
            '200': { description: 'State of the upload.', content: { 'application/json': { schema: parts } } },
          },
        },
        head: {
          operationId: 'describeUpload',
          description: 'Returns how many bytes of an upload the server has received (tus 1.0).',
          parameters: [tusResumable],
          responses: { '200': { description: 'State of the upload.', headers: tusHeaders }, ...tusFailures },
        },
        patch: {
          operationId: 'continueUpload',
          description: 'Appends bytes to an upload (tus 1.0).',
          parameters: [
            tusResumable,
            parameter('header', 'Upload-Offset', wholeNumber, 'Where the bytes begin: the received bytes.', true),
          ],
          requestBody: {
            required: true,
            description: 'The bytes from the offset on.',
            content: { 'application/offset+octet-stream': {} },
          },
          responses: { '204': { description: 'The bytes are received.', headers: tusHeaders }, ...tusFailures },
        },
        delete: {
          operationId: 'cancelUpload',
          description: 'Ends an upload and deletes what was received (tus 1.0, `termination`).',
          parameters: [tusResumable],
          responses: { '204': { description: 'The upload is deleted.' }, ...tusFailures },
        },
      },
    },
  };
}
