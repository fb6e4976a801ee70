import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { AsyncApi } from '../../../src/server/documents/generate/async-api.ts';
import type { OpenApi } from '../../../src/server/documents/generate/open-api.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface Reference {
  readonly $ref?: string;
}
interface Response extends Reference {
  readonly content?: Readonly<Record<string, { readonly schema?: object }>>;
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: object;
}
interface Operation {
  readonly operationId: string;
  readonly description: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: object }>> };
  readonly responses: Readonly<Record<string, Response>>;
}

/** An operation with its place in the document. */
export interface PlacedOperation {
  readonly operation: Operation;
  /** Upper case. */
  readonly method: string;
  readonly path: string;
}

const METHODS = new Set(['get', 'head', 'post', 'put', 'patch', 'delete']);

/** Returns all operations of an OpenAPI document. */
export function operationsOf({ paths }: OpenApi): PlacedOperation[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => METHODS.has(method))
      .map(([method, operation]) => ({ operation: operation as Operation, method: method.toUpperCase(), path })),
  );
}

/** Compiles parts of a document: of its components `strict` allows no property that the document doesn't name. */
class Compiler {
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #components: Json;
  readonly #compiled = new Map<object, ValidateFunction>();

  constructor(document: { readonly components: object }, strict: boolean) {
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
    const components = JSON.parse(JSON.stringify(document.components)) as Json;
    this.#components = strict ? closed(components) : components;
  }

  /** Returns what is wrong with a value. */
  faults(schema: object, value: unknown): string[] {
    const validate = this.#compiled.get(schema) ?? this.#ajv.compile({ ...schema, components: this.#components });
    this.#compiled.set(schema, validate);
    return validate(value)
      ? []
      : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`);
  }
}

/** Lets objects have the properties that their schema names, and no others. */
function closed(schema: Json, isPart = false): Json {
  if (Array.isArray(schema)) return schema.map((each) => closed(each, isPart));
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, closed(value, key === 'allOf')] as const);
  const open: { [key: string]: Json } = Object.fromEntries(entries);
  const isObject = schema['type'] === 'object' && schema['properties'] !== undefined;
  if (isObject && !isPart && schema['additionalProperties'] === undefined) open['unevaluatedProperties'] = false;
  const parts = schema['allOf'];
  if (Array.isArray(parts) && parts.length > 1) open['unevaluatedProperties'] = false;
  return open;
}

/** Holds the answers of a server against its OpenAPI document. */
export class RestContract {
  /** Ids of the operations that answered successfully. */
  readonly answered = new Set<string>();
  readonly #document: OpenApi;
  readonly #operations: readonly PlacedOperation[];
  readonly #answers: Compiler;
  readonly #inputs: Compiler;

  constructor(document: OpenApi) {
    this.#document = document;
    this.#operations = operationsOf(document);
    this.#answers = new Compiler(document, true);
    this.#inputs = new Compiler(document, false);
  }

  /** Returns the operation of a request. @param path - relative to the REST path */
  operation(method: string, path: string): PlacedOperation {
    const literal = (each: string): boolean => !each.includes('{');
    const fits = this.#operations.filter(
      (each) =>
        each.method === method &&
        new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`).test(path),
    );
    // As in the table of routes, a literal segment goes before a parameter.
    const found = fits.find((each) => literal(each.path)) ?? fits[0];
    if (found === undefined) throw new Error(`The document has no operation ${method} ${path}`);
    return found;
  }

  /** Returns what of a request or its answer contradicts the document. */
  async faults(request: Request, restPath: string, answer: globalThis.Response, body?: unknown): Promise<string[]> {
    const { pathname, searchParams } = new URL(request.url);
    const { operation } = this.operation(request.method, pathname.slice(restPath.length));
    const response = operation.responses[String(answer.status)];
    if (response === undefined) return [`${operation.operationId}: the status ${answer.status} is not documented`];
    const faults = answer.ok ? this.inputFaults(operation, searchParams, body) : [];
    const { content } = this.#resolved(response);
    const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
    const media = content?.[type] ?? content?.['*/*'];
    const text = await answer.text();
    if (request.method === 'HEAD') {
      if (answer.ok) this.answered.add(operation.operationId);
      return faults;
    }
    if (content === undefined) {
      if (text !== '') faults.push('the body is not documented');
    } else if (media === undefined) faults.push(`the type ${type} is not documented`);
    else if (media.schema !== undefined) faults.push(...this.#answers.faults(media.schema, JSON.parse(text)));
    if (answer.ok) this.answered.add(operation.operationId);
    return faults.map((fault) => `${operation.operationId} ${answer.status}: ${fault}`);
  }

  /** Returns what of a request contradicts the document. */
  inputFaults(operation: Operation, query: URLSearchParams, body?: unknown): string[] {
    const parameters = (operation.parameters ?? []).filter((each) => each.in === 'query');
    const faults = parameters
      .filter(({ name, required }) => required === true && !query.has(name))
      .map(({ name }) => `${name} is required`);
    for (const [name, value] of query) {
      const parameter = parameters.find((each) => each.name === name);
      if (parameter === undefined) continue;
      const isNumber = (parameter.schema as { type?: string }).type === 'integer';
      faults.push(...this.#inputs.faults(parameter.schema, isNumber ? Number(value) : value));
    }
    const schema = operation.requestBody?.content['application/json']?.schema;
    if (schema !== undefined) faults.push(...this.#inputs.faults(schema, body));
    return faults;
  }

  #resolved(response: Response): Response {
    if (response.$ref === undefined) return response;
    const name = response.$ref.replace('#/components/responses/', '');
    return (this.#document.components['responses'] as Readonly<Record<string, Response>>)[name] ?? {};
  }
}

/** Holds the frames of a server against its AsyncAPI document. */
export class SocketContract {
  /** Keys of the messages that occurred. */
  readonly met = new Set<string>();
  readonly #document: AsyncApi;
  readonly #sent: Compiler;
  readonly #received: Compiler;

  constructor(document: AsyncApi) {
    this.#document = document;
    this.#sent = new Compiler(document, true);
    this.#received = new Compiler(document, false);
  }

  /** Returns what of the payload of a message contradicts the document. */
  faults(kind: 'request' | 'reply' | 'push', name: string, payload: unknown): string[] {
    const key = `${kind}.${name.replaceAll(':', '.')}`;
    const message = this.#document.components.messages[key];
    if (message === undefined) return [`${key} is not documented`];
    this.met.add(key);
    const compiler = kind === 'request' ? this.#received : this.#sent;
    return compiler.faults(message.payload, payload).map((fault) => `${key}: ${fault}`);
  }
}
