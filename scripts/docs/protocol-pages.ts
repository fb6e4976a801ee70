import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { generateDocuments } from '../../src/server/documents/generate/generate.ts';
import { generated } from './navigation.ts';

interface Schema {
  readonly [key: string]: unknown;
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const children = (value: unknown): [string, Schema][] =>
  Object.entries(isSchema(value) ? value : {}).filter((entry): entry is [string, Schema] => isSchema(entry[1]));
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const nameOf = (reference: unknown): string => textOf(reference).split('/').at(-1) ?? '';
/** In cells of a table. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const LIMITS = [
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'format',
  'pattern',
  'default',
];

/** Describes the type of a schema in one line, with links to named schemas. */
function typeOf(schema: Schema): string {
  if (schema['$ref'] !== undefined) {
    const name = nameOf(schema['$ref']);
    return `[${name}](#${name.toLowerCase()})`;
  }
  for (const union of ['anyOf', 'oneOf', 'allOf']) {
    const members = schema[union];
    if (Array.isArray(members))
      return members
        .filter(isSchema)
        .map(typeOf)
        .join(union === 'allOf' ? ' & ' : ' | ');
  }
  if ('const' in schema) return `\`${JSON.stringify(schema['const'])}\``;
  if (Array.isArray(schema['enum'])) return schema['enum'].map((each) => `\`${JSON.stringify(each)}\``).join(' | ');
  const limits = LIMITS.filter((key) => key in schema).map((key) => `${key} \`${JSON.stringify(schema[key])}\``);
  const suffix = limits.length === 0 ? '' : ` (${limits.join(', ')})`;
  if (schema['type'] === 'array')
    return `list of ${isSchema(schema['items']) ? typeOf(schema['items']) : 'any'}${suffix}`;
  const type = Array.isArray(schema['type']) ? schema['type'].join(' | ') : textOf(schema['type']);
  return `${type === '' ? 'any' : type}${suffix}`;
}

function propertiesOf(schema: Schema): string[] {
  const properties = children(schema['properties']);
  if (properties.length === 0) return [typeOf(schema), ''];
  const required: unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  return [
    '| property | type | |',
    '|---|---|---|',
    ...properties.map(([name, property]) => {
      const mark = required.includes(name) ? '' : '?';
      return `| \`${name}${mark}\` | ${cell(typeOf(property))} | ${cell(textOf(property['description']))} |`;
    }),
    '',
  ];
}

function schemasOf(components: unknown): string[] {
  const schemas = children(isSchema(components) ? components['schemas'] : undefined);
  return schemas.flatMap(([name, schema]) => [
    `### ${name}`,
    '',
    textOf(schema['description']),
    '',
    ...propertiesOf(schema),
  ]);
}

/** Returns the schema of a JSON body, of a request or an answer. */
function bodyOf(body: unknown): string | undefined {
  if (!isSchema(body)) return undefined;
  const media = children(body['content']);
  if (media.length === 0) return undefined;
  return media.map(([type, { schema }]) => `\`${type}\` ${isSchema(schema) ? typeOf(schema) : ''}`.trim()).join(', ');
}

function operationOf(route: string, [method, operation]: [string, Schema]): string[] {
  const parameters = Array.isArray(operation['parameters']) ? operation['parameters'].filter(isSchema) : [];
  const body = bodyOf(operation['requestBody']);
  const answers = children(operation['responses']).map(([status, answer]) => {
    const name = nameOf(answer['$ref']);
    return `| ${status} | ${cell(bodyOf(answer) ?? name)} | ${cell(textOf(answer['description']))} |`;
  });
  return [
    `### ${method.toUpperCase()} ${route.replaceAll('{', ':').replaceAll('}', '')}`,
    '',
    textOf(operation['description']),
    '',
    ...(parameters.length === 0 ? [] : ['| parameter | in | type | |', '|---|---|---|---|']),
    ...parameters.map(({ name, in: place, schema, description, required, $ref }) =>
      $ref === undefined
        ? `| \`${textOf(name)}${required === true ? '' : '?'}\` | ${textOf(place)} | ${isSchema(schema) ? cell(typeOf(schema)) : ''} | ${cell(textOf(description))} |`
        : `| \`${nameOf($ref)}\` | | | |`,
    ),
    '',
    ...(body === undefined ? [] : [`Body: ${body}`, '']),
    '| status | answer | |',
    '|---|---|---|',
    ...answers,
    '',
  ];
}

function restPage(document: Schema): string[] {
  const METHODS = new Set(['get', 'put', 'post', 'patch', 'delete', 'head', 'options']);
  return [
    '# REST reference',
    '',
    'All routes below `/__nk_comm`. Generated from the [OpenAPI document](../api-documents.md). A question mark follows the name of what may be absent.',
    '',
    '## Routes',
    '',
    ...children(document['paths']).flatMap(([route, operations]) =>
      children(operations)
        .filter(([method]) => METHODS.has(method))
        .flatMap((operation) => operationOf(route, operation)),
    ),
    '## Schemas',
    '',
    ...schemasOf(document['components']),
  ];
}

function socketPage(document: Schema): string[] {
  const components = isSchema(document['components']) ? document['components'] : {};
  const messages = new Map(children(components['messages']));
  const payload = (key: string): string => {
    const found = messages.get(key)?.['payload'];
    return isSchema(found) ? typeOf(found) : 'none';
  };
  const section = (action: string): string[] =>
    children(document['operations'])
      .filter(([, operation]) => operation['action'] === action)
      .flatMap(([key, operation]) => {
        const reply = key.replace(/^request\./, 'reply.');
        return [
          `### ${key.replace(/^\w+\./, '').replaceAll('.', ':')}`,
          '',
          textOf(operation['description']),
          '',
          `- Payload: ${payload(key)}`,
          ...(messages.has(reply) && reply !== key ? [`- Answer: ${payload(reply)}`] : []),
          '',
        ];
      });
  return [
    '# Socket reference',
    '',
    'All requests and pushes over Socket.IO. Generated from the [AsyncAPI document](../api-documents.md). [Protocol extensions](../protocol-additions.md) explains them. A question mark follows the name of what may be absent.',
    '',
    '## Requests',
    '',
    ...section('receive'),
    '## Pushes',
    '',
    ...section('send'),
    '## Schemas',
    '',
    ...schemasOf(components),
  ];
}

/** Writes the references of the REST API and of the sockets, as pages of the site. */
export function writeProtocolPages(): void {
  const { openapi, asyncapi } = generateDocuments();
  writeFileSync(path.join(generated, 'rest.md'), restPage({ ...openapi }).join('\n'));
  writeFileSync(path.join(generated, 'sockets.md'), socketPage({ ...asyncapi }).join('\n'));
}
