import { createRequire } from 'node:module';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { beforeAll, describe, expect, test } from 'vitest';
import { CAPABILITIES, REST_ROUTES } from '../../../../src/protocol/constants.ts';
import { SERVER_ERROR_CODES } from '../../../../src/protocol/errors.ts';
import { PUSH_SCHEMAS } from '../../../../src/protocol/event-schemas.ts';
import { LIMITS } from '../../../../src/protocol/limits.ts';
import { REST_INPUT_SCHEMAS } from '../../../../src/protocol/rest.ts';
import { generateDocuments, type Documents } from '../../../../src/server/documents/generate/generate.ts';
import { UNDOCUMENTED } from '../../../../src/server/documents/generate/read-comments.ts';
import { HANDLERS } from '../../../../src/server/handlers/index.ts';
import { REST_HANDLERS } from '../../../../src/server/rest/route-handlers.ts';
import { operationsOf } from '../../../helpers/server/documents.ts';

let documents: Documents;
beforeAll(() => {
  documents = generateDocuments();
});

const keyOf = (name: string): string => name.replaceAll(':', '.');

describe('the OpenAPI document', () => {
  test.each(Object.keys(REST_HANDLERS) as (keyof typeof REST_HANDLERS)[])('describes the route %s', (name) => {
    const { method, path } = REST_ROUTES[name];
    const found = operationsOf(documents.openapi).filter(({ operation }) => operation.operationId === name);
    expect(found).toHaveLength(1);
    const operation = found[0]?.operation;
    expect([found[0]?.method, found[0]?.path]).toEqual([method, path.replace(':id', '{id}')]);
    // The comment of the route in REST_ROUTES.
    expect(operation?.description ?? UNDOCUMENTED).not.toBe(UNDOCUMENTED);
    const { query, body }: { query?: { entries?: object }; body?: object } = REST_INPUT_SCHEMAS[name];
    const parameters = (operation?.parameters ?? []).filter((each) => each.in === 'query');
    expect(parameters.map((each) => each.name)).toEqual(Object.keys(query?.entries ?? {}));
    expect(operation?.requestBody === undefined).toBe(body === undefined);
  });

  test('names no operation twice', () => {
    const ids = operationsOf(documents.openapi).map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('limits the numbers in a query as the server does', () => {
    const found = operationsOf(documents.openapi).find((each) => each.operation.operationId === 'listMessages');
    expect(found?.operation.parameters?.find(({ name }) => name === 'limit')?.schema).toEqual({
      type: 'integer',
      minimum: 1,
      maximum: LIMITS.maxPageSize,
    });
  });
});

describe('the AsyncAPI document', () => {
  test.each(Object.keys(HANDLERS))('describes the request %s and its acknowledgement', (name) => {
    const { operations, components } = documents.asyncapi;
    const operation = operations[`request.${keyOf(name)}`];
    expect(operation?.['action']).toBe('receive');
    // The comment of the request in Requests, or that of its payload.
    expect(operation?.['description'] ?? UNDOCUMENTED).not.toBe(UNDOCUMENTED);
    const reply = components.messages[`reply.${keyOf(name)}`];
    expect(reply?.payload.oneOf).toHaveLength(2);
  });

  test.each(Object.keys(PUSH_SCHEMAS))('describes the push %s', (name) => {
    const operation = documents.asyncapi.operations[`push.${keyOf(name)}`];
    expect(operation?.['action']).toBe('send');
    expect(operation?.['description'] ?? UNDOCUMENTED).not.toBe(UNDOCUMENTED);
  });

  test('lists capabilities, limits and error codes', () => {
    expect(documents.asyncapi).toMatchObject({
      'x-capabilities': CAPABILITIES,
      'x-limits': LIMITS,
      'x-error-codes': SERVER_ERROR_CODES,
    });
    expect(documents.asyncapi.components.schemas['ErrorBody']?.properties?.['code']).toMatchObject({
      enum: SERVER_ERROR_CODES,
    });
  });

  test('is valid by the JSON Schema of the specification', () => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    (addFormats as unknown as (ajv: Ajv) => void)(ajv);
    const require = createRequire(import.meta.url);
    const specification = require('@asyncapi/specs/schemas/3.0.0-without-$id.json') as object;
    const validate = ajv.compile(specification);
    validate(documents.asyncapi);
    expect(validate.errors).toBeNull();
  });
});

test.each(['openapi', 'asyncapi'] as const)('the linter finds nothing in the %s document', async (name) => {
  const config = await createConfig({ extends: ['recommended-strict'] });
  const source = JSON.stringify(documents[name]);
  const problems = await lintFromString({ source, absoluteRef: `${name}.json`, config });
  const found = problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer ?? ''}`);
  expect(found).toEqual([]);
});

test('the linter finds a reference to a schema that does not exist', async () => {
  const config = await createConfig({ extends: ['recommended-strict'] });
  const source = JSON.stringify(documents.openapi).replaceAll('"Message":{', '"Massage":{');
  const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config });
  expect(problems.map(({ ruleId }) => ruleId)).toContain('no-unresolved-refs');
});

test('every text of a schema says what is meant without the sources', () => {
  expect(JSON.stringify(documents)).not.toMatch(/\{@link|@defaultValue|\\n \*/);
});
