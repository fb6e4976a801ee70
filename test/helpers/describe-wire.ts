import type * as v from 'valibot';
import * as protocol from '../../src/protocol/index.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Schema = v.GenericSchema;

/** The parts of valibot's schemas, declared structurally because each kind has a type of its own. */
interface Parts {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly item?: Schema;
  readonly key?: Schema;
  readonly value?: Schema;
  readonly wrapped?: Schema;
  readonly options?: readonly unknown[];
  readonly literal?: unknown;
  readonly default?: unknown;
  readonly pipe?: readonly [Schema, ...Action[]];
  readonly message?: unknown;
}
interface Action {
  readonly kind: string;
  readonly type: string;
  readonly requirement?: unknown;
  readonly message?: unknown;
  readonly operation?: { readonly name: string };
}

const PLAIN = new Set(['string', 'number', 'boolean', 'null', 'unknown', 'any']);

/** Converts schemas to JSON that contains everything a peer can observe, and records the schemas it visited. */
export class WireDescription {
  readonly met = new Set<unknown>();

  schema(schema: Schema): Json {
    this.met.add(schema);
    const parts: Parts = schema;
    if (parts.pipe === undefined) return this.#base(parts);
    const [first, ...rest] = parts.pipe;
    const base = this.schema(first);
    const actions = rest.map((action) => describeAction(action));
    return typeof base === 'string' ? [base, ...actions].join(', ') : { is: base, and: actions };
  }

  #base(parts: Parts): Json {
    const { type } = parts;
    if (PLAIN.has(type)) return type;
    switch (type) {
      case 'literal':
        return { literal: asJson(parts.literal) };
      case 'picklist':
        return { oneOf: (parts.options ?? []).map((option) => asJson(option)) };
      case 'object':
      case 'loose_object':
      case 'strict_object':
        return { [type]: this.schemas(needed(parts.entries, type)) };
      case 'array':
        return { array: this.schema(needed(parts.item, type)) };
      case 'record':
        return { record: this.schema(needed(parts.value, type)), key: this.schema(needed(parts.key, type)) };
      case 'optional':
      case 'nullable':
      case 'nullish': {
        const wrapped = this.schema(needed(parts.wrapped, type));
        return parts.default === undefined
          ? { [type]: wrapped }
          : { [type]: wrapped, default: asJson(valueOf(parts.default)) };
      }
      case 'custom':
        return { custom: asJson(parts.message) };
      case 'union':
      case 'intersect':
        return { [type]: (parts.options ?? []).map((option) => this.schema(option as Schema)) };
      default:
        throw new Error(`describe-wire.ts does not support schemas of type ${type} yet`);
    }
  }

  schemas(entries: Readonly<Record<string, Schema>>): Json {
    return mapValues(entries, (schema) => this.schema(schema));
  }
}

function describeAction({ kind, type, requirement, message, operation }: Action): string {
  if (kind === 'schema') throw new Error('describe-wire.ts does not support schemas in pipes yet');
  const detail = operation?.name ?? (typeof requirement === 'function' ? message : requirement);
  return detail === undefined ? type : `${type} ${detail instanceof RegExp ? String(detail) : JSON.stringify(detail)}`;
}

function needed<T>(part: T | undefined, type: string): T {
  if (part === undefined) throw new Error(`A schema of type ${type} lacks its parts`);
  return part;
}

function valueOf(value: unknown): unknown {
  return typeof value === 'function' ? (value as () => unknown)() : value;
}

function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

function mapValues<T>(entries: Readonly<Record<string, T>>, describe: (value: T) => Json): Json {
  const sorted = Object.entries(entries).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, value]) => [name, describe(value)]));
}

/** Describes the complete wire of `src/protocol`. */
export function describeWire(): { readonly [key: string]: Json } {
  const description = new WireDescription();
  const wire = {
    protocol: protocol.PROTOCOL_VERSION,
    capabilities: protocol.CAPABILITIES,
    frames: { requestPrefix: protocol.REQUEST_PREFIX, pushEvent: protocol.PUSH_EVENT },
    defaults: {
      namespace: protocol.DEFAULT_NAMESPACE,
      socketPath: protocol.DEFAULT_SOCKET_PATH,
      restPath: protocol.DEFAULT_REST_PATH,
    },
    limits: protocol.LIMITS,
    errors: { server: asJson(protocol.HTTP_STATUS), client: protocol.CLIENT_ERROR_CODES },
    errorBody: description.schema(protocol.errorBodySchema),
    handshake: description.schema(protocol.handshakeAuthSchema),
    requests: mapValues(protocol.REQUEST_SCHEMAS, ({ req, res }) => ({
      req: description.schema(req),
      res: description.schema(res),
    })),
    pushes: description.schemas(protocol.PUSH_SCHEMAS),
    routes: asJson(protocol.REST_ROUTES),
    answers: description.schemas(protocol.REST_ANSWER_SCHEMAS),
    queries: description.schemas({
      createConversation: protocol.createConversationBodySchema,
      listConversations: protocol.listConversationsQuerySchema,
      listMembers: protocol.listMembersQuerySchema,
      listMessages: protocol.listMessagesQuerySchema,
      listPinned: protocol.listPinnedQuerySchema,
      listChanges: protocol.listChangesQuerySchema,
      searchMessages: protocol.searchQuerySchema,
    }),
  };
  // Schemas of values nested in others, such as the content of a message.
  const further = Object.entries(protocol as Readonly<Record<string, unknown>>)
    .filter(([name, schema]) => name.endsWith('Schema') && !description.met.has(schema))
    .map(([name, schema]) => [name, schema as Schema] as const);
  return { ...wire, further: description.schemas(Object.fromEntries(further)) };
}

export function wireFile(version: number): URL {
  return new URL(`../unit/protocol/wire.v${version}.json`, import.meta.url);
}

/** Prints a description. Repeated parts are printed once and referenced by their first place. */
export function printWire(wire: Json): string {
  const firstPlace = new Map<string, string>();
  const shorten = (json: Json, place: string): Json => {
    if (typeof json !== 'object' || json === null) return json;
    const whole = JSON.stringify(json);
    const first = firstPlace.get(whole);
    if (first !== undefined) return { sameAs: first };
    if (whole.length > 80) firstPlace.set(whole, place);
    return Array.isArray(json)
      ? json.map((each: Json, index) => shorten(each, `${place}/${index}`))
      : Object.fromEntries(Object.entries(json).map(([name, value]) => [name, shorten(value, `${place}/${name}`)]));
  };
  return `${JSON.stringify(shorten(wire, ''), null, 1)}\n`;
}
