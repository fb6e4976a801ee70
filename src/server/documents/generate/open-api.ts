import { STATUS_CODES } from 'node:http';
import { VERSION } from '../../../lib/version.ts';
import { DEFAULT_REST_PATH, PROTOCOL_VERSION, REST_ROUTES, type RestRouteName } from '../../../protocol/constants.ts';
import { HTTP_STATUS, SERVER_ERROR_CODES } from '../../../protocol/errors.ts';
import { errorBodySchema } from '../../../protocol/event-schemas.ts';
import { uploadPartsSchema } from '../../../protocol/files.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import { REST_ANSWER_SCHEMAS, REST_INPUT_SCHEMAS } from '../../../protocol/rest.ts';
import { DOCUMENT_PATHS } from '../document-paths.ts';
import { filePaths } from './file-operations.ts';
import { JsonSchemas, type Schema } from './json-schemas.ts';
import { UNDOCUMENTED, type ProtocolComments } from './read-comments.ts';

/** An operation of the document. */
export type Operation = Readonly<Record<string, unknown>>;
/** The parts of the document that this package reads. */
export interface OpenApi {
  readonly openapi: string;
  servers: { url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> } & Readonly<Record<string, unknown>>;
}

/** Routes that answer 201 if they have created something, and 200 otherwise. */
const CREATING: ReadonlySet<RestRouteName> = new Set(['createConversation']);

/** Statuses that every route can answer with. */
const COMMON_STATUSES = [400, 401, 403, 404, 429, 500, 501, 503];
/** Statuses of routes with a body. */
const BODY_STATUSES = [409, 413];
/** Statuses of uploads. */
const UPLOAD_STATUSES = [409, 413, 415];

/** Generates the OpenAPI document of the REST routes. */
export function openApi(comments: ProtocolComments): OpenApi {
  const schemas = new JsonSchemas(comments, 'draft-2020-12');
  const paths: Record<string, Record<string, unknown>> = {};
  const add = (path: string, method: string, operation: object, rest: object = {}): void => {
    paths[path] = { ...paths[path], ...rest, [method]: { tags: [tagOf(path)], ...operation } };
  };
  for (const [name, { method, path }] of Object.entries(REST_ROUTES)) {
    const operation = operationOf(name as RestRouteName, schemas, comments);
    add(path.replaceAll(/:(\w+)/g, '{$1}'), method.toLowerCase(), operation, parametersOf(path));
  }
  for (const [path, { parameters, operations, isCredential }] of Object.entries(
    filePaths(schemas.of(uploadPartsSchema)),
  )) {
    for (const [method, { responses, ...operation }] of Object.entries(operations)) {
      const security = isCredential ? [] : [...SECURITY, {}];
      const statuses = isCredential ? [...COMMON_STATUSES, ...UPLOAD_STATUSES] : COMMON_STATUSES;
      const summary = summaryOf(operation.description);
      const all = { ...failures(statuses), ...responses };
      add(path, method, { ...operation, summary, security, responses: all }, { parameters });
    }
  }
  for (const [name, path] of Object.entries(DOCUMENT_PATHS)) add(path, 'get', documentOperation(name));
  const errors = { ErrorResponse: errorResponse(schemas.of(errorBodySchema)) };
  return {
    openapi: '3.1.0',
    ...HEAD,
    servers: [{ url: DEFAULT_REST_PATH }],
    paths,
    ...tagsOf(paths),
    components: {
      schemas: { ...schemas.reachableFrom([paths, errors]), ...errors },
      responses: Object.fromEntries(
        Object.values(HTTP_STATUS).map((status) => [responseName(status), failure(status)]),
      ),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A token of the app.' },
        userId: {
          type: 'apiKey',
          in: 'header',
          name: 'x-user-id',
          description: 'Development mode, or set by a trusted proxy.',
        },
      },
    },
  };
}

const INFO = {
  title: 'lumen-comm REST API',
  version: VERSION,
  summary: 'Conversations, messages and files of a lumen-comm server.',
  description:
    'Changes made here are pushed to the sockets of the users concerned, whose protocol the AsyncAPI document describes. ' +
    'Requests are charged to their user, by the work that they cause: above a limit the status is 429 with `Retry-After`. ' +
    'Clients must ignore properties that they do not know. Times are ISO 8601 in UTC. Lengths are counted in UTF-16 code units.',
  license: { name: 'MIT', identifier: 'MIT' },
};
const SECURITY = [{ bearer: [] }, { userId: [] }];
const HEAD = {
  info: INFO,
  'x-protocol-version': PROTOCOL_VERSION,
  'x-limits': LIMITS,
  'x-error-codes': HTTP_STATUS,
  security: SECURITY,
};

function operationOf(name: RestRouteName, schemas: JsonSchemas, comments: ProtocolComments): Operation {
  const description = comments.route(name) ?? UNDOCUMENTED;
  const { query, body }: { query?: Parameters<JsonSchemas['query']>[0]; body?: Parameters<JsonSchemas['of']>[0] } =
    REST_INPUT_SCHEMAS[name];
  const answer = { content: { 'application/json': { schema: schemas.of(REST_ANSWER_SCHEMAS[name]) } } };
  const parameters = query === undefined ? [] : schemas.query(query).map((each) => ({ ...each, in: 'query' }));
  return {
    operationId: name,
    summary: summaryOf(description),
    description,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: schemas.of(body) } } },
    }),
    responses: {
      '200': { description: 'The answer.', ...answer },
      ...(CREATING.has(name) && { '201': { description: 'Created.', ...answer } }),
      ...failures(body === undefined ? COMMON_STATUSES : [...COMMON_STATUSES, ...BODY_STATUSES]),
    },
  };
}

/** Returns the parameters of a path. */
function parametersOf(path: string): object {
  const parameters = Array.from(path.matchAll(/:(\w+)/g), ([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', minLength: 1, maxLength: LIMITS.idLength },
  }));
  return parameters.length === 0 ? {} : { parameters };
}

function documentOperation(name: string): Operation {
  const description = `Returns the ${name === 'openapi' ? 'OpenAPI' : 'AsyncAPI'} document of this server.`;
  return {
    operationId: name,
    summary: summaryOf(description),
    description: `${description} Needs no credentials.`,
    security: [],
    parameters: [
      { name: 'If-None-Match', in: 'header', description: 'Returns 304 for this ETag.', schema: { type: 'string' } },
    ],
    responses: {
      '200': {
        description: 'The document.',
        headers: { ETag: { description: 'Identifies the content.', schema: { type: 'string' } } },
        content: { 'application/json': { schema: { type: 'object' } } },
      },
      '304': { description: 'The document is that of `If-None-Match`.' },
      ...failures([403, 429, 503]),
    },
  };
}

function errorResponse(error: Schema): Schema {
  return { type: 'object', properties: { error }, required: ['error'], description: 'The body of every failure.' };
}

function failures(statuses: readonly number[]): Record<string, object> {
  return Object.fromEntries(
    statuses.map((status) => [String(status), { $ref: `#/components/responses/${responseName(status)}` }]),
  );
}

function failure(status: number): object {
  const codes = SERVER_ERROR_CODES.filter((code) => HTTP_STATUS[code] === status);
  const headers: Record<string, object> = {
    ...(status === 401 && { 'WWW-Authenticate': { description: 'The scheme.', schema: { const: 'Bearer' } } }),
    ...((status === 429 || status === 503) && {
      'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 1 } },
    }),
  };
  return {
    description: `${STATUS_CODES[status] ?? status}. Error codes: ${codes.join(', ')}.`,
    ...(Object.keys(headers).length > 0 && { headers }),
    content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorResponse' } } },
  };
}

function responseName(status: number): string {
  return (STATUS_CODES[status] ?? String(status)).replaceAll(/\W/g, '');
}

/** The first sentence, without its period. */
function summaryOf(description: string): string {
  return (/^.*?(?=\.(?:\s|$))/s.exec(description) ?? [description])[0];
}

function tagOf(path: string): string {
  const first = path.split('/')[1] ?? '';
  return first.endsWith('.json') ? 'documents' : first;
}

function tagsOf(paths: object): { tags: object[] } {
  const names = new Set(Object.keys(paths).map((path) => tagOf(path)));
  return { tags: Array.from(names, (name) => ({ name, description: `Routes of ${name.replaceAll('-', ' ')}.` })) };
}
