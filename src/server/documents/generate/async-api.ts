import { VERSION } from '../../../lib/version.ts';
import {
  CAPABILITIES,
  DEFAULT_NAMESPACE,
  DEFAULT_SOCKET_PATH,
  PROTOCOL_VERSION,
  type Capability,
} from '../../../protocol/constants.ts';
import { SERVER_ERROR_CODES } from '../../../protocol/errors.ts';
import { errorBodySchema, PUSH_SCHEMAS, REQUEST_SCHEMAS } from '../../../protocol/event-schemas.ts';
import { PUSH_EVENT, REQUEST_PREFIX, type PushName, type RequestName } from '../../../protocol/events.ts';
import { handshakeAuthSchema } from '../../../protocol/handshake.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import { JsonSchemas, type Schema } from './json-schemas.ts';
import { UNDOCUMENTED, type ProtocolComments } from './read-comments.ts';

/** The parts of the document that this package reads. */
export interface AsyncApi {
  readonly asyncapi: string;
  /** Schema of the `auth` of the handshake. */
  readonly 'x-handshake-auth': Schema;
  readonly servers: { readonly server: { pathname: string } & Readonly<Record<string, unknown>> };
  readonly channels: { readonly socket: { address: string; readonly messages: Readonly<Record<string, object>> } };
  readonly operations: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: {
    readonly messages: Readonly<Record<string, { readonly payload: Schema }>>;
    readonly schemas: Readonly<Record<string, Schema>>;
  };
}

/** The capability without which a client doesn't send a request. */
const REQUEST_CAPABILITIES: { readonly [K in RequestName]?: Capability } = {
  'message:delivered': 'delivered',
  'message:pin': 'moderation',
  'message:report': 'moderation',
  'presence:watch': 'presence-watch',
  'presence:unwatch': 'presence-watch',
  'conversation:ban': 'moderation',
  'conversation:browse': 'moderation',
  'conversation:enter': 'moderation',
  'conversation:mark-unread': 'threads',
  'thread:read': 'threads',
  'user:block': 'profiles',
  'user:blocked': 'profiles',
  'user:get': 'profiles',
  'user:search': 'profiles',
  'user:update': 'profiles',
  sync: 'rev',
  batch: 'batch',
  'call:sync': 'multi-socket-call',
  'encryption:mailbox-ack': 'mailbox',
  'file:sign': 'uploads',
};
/** The capability without which the server doesn't send a push. */
const PUSH_CAPABILITIES: { readonly [K in PushName]?: Capability } = {
  batch: 'batch',
  'comm:resync': 'resync',
  'read-receipt:collected': 'batch',
  'encryption:keys-changed': 'mailbox',
  'user:block-changed': 'profiles',
  'user:updated': 'profiles',
};

/** Generates the AsyncAPI document of the socket protocol, as the server sees it: it receives requests and sends pushes. */
export function asyncApi(comments: ProtocolComments): AsyncApi {
  const schemas = new JsonSchemas(comments, 'draft-07');
  const messages: Record<string, { payload: Schema }> = {};
  const operations: Record<string, Record<string, unknown>> = {};
  for (const [name, { req, res }] of Object.entries(REQUEST_SCHEMAS)) {
    const description = comments.event('Requests', name) ?? UNDOCUMENTED;
    const [request, reply] = [`request.${keyOf(name)}`, `reply.${keyOf(name)}`];
    const capability = REQUEST_CAPABILITIES[name as RequestName];
    messages[request] = message(`${REQUEST_PREFIX}${name}`, description, schemas.of(req));
    messages[reply] = message(name, `Acknowledgement of ${name}.`, acknowledgement(schemas, schemas.of(res)));
    operations[request] = {
      action: 'receive',
      channel: CHANNEL,
      ...described(description, capability),
      messages: [inChannel(request)],
      reply: { channel: CHANNEL, messages: [inChannel(reply)] },
    };
  }
  for (const [name, schema] of Object.entries(PUSH_SCHEMAS)) {
    const description = comments.event('Pushes', name) ?? UNDOCUMENTED;
    const key = `push.${keyOf(name)}`;
    messages[key] = message(PUSH_EVENT, description, pushed(name, schemas.of(schema)));
    const capability = PUSH_CAPABILITIES[name as PushName];
    operations[key] = {
      action: 'send',
      channel: CHANNEL,
      ...described(description, capability),
      messages: [inChannel(key)],
    };
  }
  const handshake = schemas.of(handshakeAuthSchema);
  const references = Object.keys(messages).map((key) => [key, { $ref: `#/components/messages/${key}` }] as const);
  return {
    asyncapi: '3.0.0',
    ...HEAD,
    'x-handshake-auth': handshake,
    servers: {
      server: {
        host: '{host}',
        pathname: DEFAULT_SOCKET_PATH,
        protocol: 'socket.io',
        protocolVersion: '5',
        description: 'A Socket.IO 4 server. The credentials and capabilities are in `auth` (`x-handshake-auth`).',
        variables: { host: { default: 'localhost:3000', description: 'Host and port of the server.' } },
        security: [{ $ref: '#/components/securitySchemes/token' }],
      },
    },
    channels: {
      socket: {
        address: DEFAULT_NAMESPACE,
        ...CHANNEL_TEXTS,
        messages: Object.fromEntries(references),
      },
    },
    operations,
    components: {
      messages,
      schemas: schemas.reachableFrom([messages, handshake]),
      ...SECURITY,
    },
  };
}

const CHANNEL = { $ref: '#/channels/socket' };

const INFO = {
  title: 'lumen-comm socket protocol',
  version: VERSION,
  description:
    `A request is a Socket.IO event \`${REQUEST_PREFIX}<name>\` with one object, and an acknowledgement is its answer. A push is an ` +
    `event \`${PUSH_EVENT}\` with an object \`{ event, data }\`. Without an acknowledgement, the server pushes a rejection as ` +
    '`message:error` or `error`. `x-capability` names the capability that both peers need for an operation. Peers must ignore ' +
    'properties and pushes that they do not know. Times are ISO 8601 in UTC. Lengths are counted in UTF-16 code units. ' +
    'Requests are charged to their user, by the work that they cause: above a limit the server answers `RATE_LIMITED` with `retryAfterMs`.',
  license: { name: 'MIT', url: 'https://spdx.org/licenses/MIT.html' },
};

const HEAD = {
  id: 'urn:lumen-comm:socket',
  info: INFO,
  defaultContentType: 'application/json',
  'x-protocol-version': PROTOCOL_VERSION,
  'x-capabilities': CAPABILITIES,
  'x-limits': LIMITS,
  'x-error-codes': SERVER_ERROR_CODES,
};
const CHANNEL_TEXTS = {
  title: 'Namespace',
  description: 'The Socket.IO namespace. It carries all requests and pushes.',
};
const SECURITY = {
  securitySchemes: { token: { type: 'http', scheme: 'bearer', description: '`auth.token` of the handshake.' } },
};

/** Keys of AsyncAPI contain no colon. */
function keyOf(name: string): string {
  return name.replaceAll(':', '.');
}

function inChannel(key: string): object {
  return { $ref: `#/channels/socket/messages/${key}` };
}

function message(name: string, description: string, payload: Schema): { payload: Schema } {
  const described = { name, description, payload };
  return described;
}

function described(description: string, capability: Capability | undefined): object {
  return { description, ...(capability !== undefined && { 'x-capability': capability }) };
}

function acknowledgement(schemas: JsonSchemas, data: Schema): Schema {
  const error = schemas.of(errorBodySchema);
  return {
    oneOf: [
      { type: 'object', properties: { ok: { const: true }, data }, required: ['ok', 'data'] },
      { type: 'object', properties: { ok: { const: false }, error }, required: ['ok', 'error'] },
    ],
  };
}

function pushed(name: string, data: Schema): Schema {
  return { type: 'object', properties: { event: { const: name }, data }, required: ['event', 'data'] };
}
