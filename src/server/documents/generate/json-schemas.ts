import { toJsonSchemaDefs, type ConversionConfig, type JsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import * as shared from '../../../protocol/common-schemas.ts';
import * as protocol from '../../../protocol/index.ts';
import type { ProtocolComments } from './read-comments.ts';

/** A JSON Schema. */
export type Schema = JsonSchema;

/** The JSON Schema of a document: 2020-12 in OpenAPI 3.1, draft-07 in AsyncAPI 3.0. */
export type Dialect = 'draft-2020-12' | 'draft-07';

/** Where the schemas of a document are. */
const COMPONENTS = '#/components/schemas/';

/** Converts the schemas that validate requests, answers and pushes. Those with a name are converted once, and referred to. */
export class JsonSchemas {
  readonly #comments: ProtocolComments;
  readonly #dialect: Dialect;
  readonly #named: ReadonlyMap<string, { readonly constant: string; readonly schema: v.GenericSchema }>;
  readonly #converted: Readonly<Record<string, Schema>>;
  #inline = 0;

  constructor(comments: ProtocolComments, dialect: Dialect) {
    this.#comments = comments;
    this.#dialect = dialect;
    this.#named = namedSchemas(comments);
    this.#converted = this.#convert({});
    for (const [name, { constant }] of this.#named) this.#describe(name, constant);
  }

  /** Returns the schema of a value: a reference if it has a name. */
  of(schema: v.GenericSchema): Schema {
    for (const [name, each] of this.#named) {
      if (each.schema === schema) return { $ref: `${COMPONENTS}${name}` };
    }
    this.#inline += 1;
    const id = `inline-${this.#inline}`;
    const converted = this.#convert({ [id]: schema })[id];
    if (converted === undefined) throw new Error('The schema was not converted');
    return converted;
  }

  /** Returns the parameters of a query with their descriptions. */
  query(schema: v.GenericSchema): { name: string; required: boolean; description?: string; schema: Schema }[] {
    const constant = Array.from(this.#named.values()).find((each) => each.schema === schema)?.constant ?? '';
    return Object.entries(entriesOf(schema)).map(([name, entry]) => {
      const description = this.#comments.property(this.#comments.typesOf(constant), name);
      return {
        name,
        required: entry.type !== 'optional',
        ...(description !== undefined && { description }),
        schema: numberInQuery(entry) ?? this.of(entry),
      };
    });
  }

  /** Returns the named schemas that a document refers to, directly or through others. */
  reachableFrom(document: unknown): Record<string, Schema> {
    const found = new Map<string, Schema>();
    const visit = (value: unknown): void => {
      for (const [, name = ''] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
        const schema = this.#converted[name];
        if (schema === undefined || found.has(name)) continue;
        found.set(name, schema);
        visit(schema);
      }
    };
    visit(document);
    return Object.fromEntries(Array.from(found).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #convert(more: Readonly<Record<string, v.GenericSchema>>): Record<string, Schema> {
    const named = Object.fromEntries(Array.from(this.#named, ([name, { schema }]) => [name, schema]));
    return toJsonSchemaDefs({ ...named, ...more }, { ...CONVERSION, target: this.#dialect });
  }

  /** Adds the comments of the validated types. */
  #describe(name: string, constant: string): void {
    const schema = this.#converted[name];
    if (schema === undefined) return;
    const text = this.#comments.schema(constant);
    if (text !== undefined) schema.description = join(text, schema.description);
    const types = this.#comments.typesOf(constant);
    for (const part of [schema, ...(schema.allOf ?? [])]) {
      if (typeof part !== 'object') continue;
      for (const [property, value] of Object.entries(part.properties ?? {})) {
        const comment = this.#comments.property(types, property);
        if (comment === undefined || typeof value !== 'object') continue;
        value.description = join(comment, value.description);
        if (value.$ref === undefined || this.#dialect !== 'draft-07') continue;
        // There, what stands beside a reference is ignored.
        value.allOf = [{ $ref: value.$ref }];
        delete value.$ref;
      }
    }
  }
}

function join(first: string, second: string | undefined): string {
  return second === undefined ? first : `${first} ${second}`;
}

/** Returns the exported schemas by the names of the types that they alone validate, or of their constants. */
function namedSchemas(comments: ProtocolComments): Map<string, { constant: string; schema: v.GenericSchema }> {
  const constants = new Map<unknown, string>();
  for (const [constant, value] of Object.entries({ ...protocol, ...shared })) {
    const isNamed = constant.endsWith('Schema') && value !== shared.emptySchema;
    if (isNamed && !constants.has(value)) constants.set(value, constant);
  }
  const types = Array.from(constants.values(), (constant) => comments.typesOf(constant));
  const named = new Map<string, { constant: string; schema: v.GenericSchema }>();
  for (const [schema, constant] of constants) {
    const [type, ...others] = comments.typesOf(constant);
    const isAlone = others.length === 0 && types.filter(([first]) => first === type).length === 1;
    const own = constant.slice(0, -'Schema'.length).replace(/^./, (first) => first.toUpperCase());
    const name = type !== undefined && isAlone ? type : own;
    if (named.has(name)) throw new Error(`${constant} needs a name of its own in the documents: ${name} is taken`);
    named.set(name, { constant, schema: schema as v.GenericSchema });
  }
  return named;
}

const CONVERSION: ConversionConfig = {
  // What a peer sends.
  typeMode: 'input',
  overrideRef: ({ referenceId }) => `${COMPONENTS}${referenceId}`,
  overrideSchema({ valibotSchema, jsonSchema }) {
    if (valibotSchema.type !== 'custom') return null;
    const schema = valibotSchema as v.GenericSchema & { readonly message?: unknown };
    return { ...jsonSchema, ...(v.is(schema, {}) && { type: 'object' as const }), ...rule(schema.message) };
  },
  overrideAction({ valibotAction, jsonSchema }) {
    switch (valibotAction.type) {
      // `trim` changes the value, and JSON has only finite numbers.
      case 'trim':
      case 'finite':
        return jsonSchema;
      case 'check':
      case 'raw_check':
      case 'check_items':
        return { ...jsonSchema, ...rule('message' in valibotAction ? valibotAction.message : undefined) };
      case 'regex':
        return {
          ...jsonSchema,
          pattern: patternOf('requirement' in valibotAction ? valibotAction.requirement : undefined),
        };
      default:
        return null;
    }
  },
};

/** Describes a rule that JSON Schema can't express. */
function rule(message: unknown): { description?: string } {
  return typeof message === 'string' ? { description: `Rule: ${message}.` } : {};
}

/** Returns the pattern of a regular expression. JSON Schema has no flags: the flag `u` applies, the others are spelled out. */
function patternOf(expression: unknown): string {
  if (!(expression instanceof RegExp)) throw new TypeError('The requirement of a regex action must be a RegExp');
  const { flags, source } = expression;
  if (flags === '' || flags === 'u') return source;
  if (flags !== 'i' || /[[\]{}]|\\[a-z]/i.test(source)) throw new Error(`${String(expression)} has unsupported flags`);
  return source.replaceAll(/[a-z]/gi, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`);
}

type Entry = v.GenericSchema & { readonly wrapped?: Entry; readonly pipe?: readonly Action[] };
interface Action {
  readonly type: string;
  readonly requirement?: unknown;
  readonly operation?: unknown;
}

function entriesOf(schema: v.GenericSchema): Readonly<Record<string, Entry>> {
  const { entries } = schema as v.GenericSchema & { readonly entries?: Readonly<Record<string, Entry>> };
  if (entries === undefined) throw new Error(`The schema of a query must be an object, not ${schema.type}`);
  return entries;
}

/** Returns the schema of a number in a query, which is validated as text. `undefined` for other entries. */
function numberInQuery(entry: Entry): Schema | undefined {
  const { pipe = [] } = entry.wrapped ?? entry;
  if (!pipe.some(({ operation }) => operation === Number)) return undefined;
  const bound = (type: string): number | undefined => {
    const requirement = pipe.find((action) => action.type === type)?.requirement;
    return typeof requirement === 'number' ? requirement : undefined;
  };
  const maximum = bound('max_value');
  return { type: 'integer', minimum: bound('min_value') ?? 0, ...(maximum !== undefined && { maximum }) };
}
