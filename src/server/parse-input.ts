import * as v from 'valibot';
import { CommError } from '../protocol/errors.ts';

/**
 * Validates input from a peer. The message names the field and the violated rule, never the received value, which may be
 * large or confidential.
 *
 * @throws CommError `MESSAGE_TOO_LONG` for a message text or ciphertext above its limit, else `INVALID`
 */
export function parseInput<T>(schema: v.GenericSchema<unknown, T>, input: unknown): T {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const key = issue.path?.at(-1)?.key;
  const isText = key === 'content' || key === 'ciphertext';
  throw new CommError(isText && issue.type === 'max_length' ? 'MESSAGE_TOO_LONG' : 'INVALID', describeIssue(issue));
}

/** Describes a validation issue as `<field> <rule>`, for example `content must not be empty`. */
function describeIssue(issue: v.BaseIssue<unknown>): string {
  const field = fieldOf(issue);
  const rule = ruleOf(issue);
  // A rule about several fields names them itself.
  return field === undefined && isCustom(issue) ? rule : `${field ?? 'request'} ${rule}`;
}

/** Path of the field, such as `attachment.url`. It ends before a key that a peer chose, such as one of a record. */
function fieldOf({ path }: v.BaseIssue<unknown>): string | undefined {
  const keys: string[] = [];
  for (const { key } of path ?? []) {
    if (typeof key === 'number') keys.push(String(key));
    else if (typeof key === 'string' && /^[a-zA-Z]\w{0,39}$/.test(key)) keys.push(key);
    else return keys.length === 0 ? undefined : `an entry of ${keys.join('.')}`;
  }
  return keys.length === 0 ? undefined : keys.join('.');
}

/** Valibot's own messages contain the received value; a schema's messages are rules. */
function isCustom({ message }: v.BaseIssue<unknown>): boolean {
  return !message.startsWith('Invalid ');
}

function ruleOf(issue: v.BaseIssue<unknown>): string {
  if (isCustom(issue)) return issue.message;
  if (issue.kind === 'schema' && issue.received === 'undefined') return 'is required';
  const requirement = String(issue.requirement);
  const unit = Array.isArray(issue.input) ? 'items' : 'characters';
  switch (issue.type) {
    case 'non_empty':
      return 'must not be empty';
    case 'min_length':
      return requirement === '1' ? 'must not be empty' : `must have at least ${requirement} ${unit}`;
    case 'max_length':
      return `must have at most ${requirement} ${unit}`;
    case 'max_entries':
      return `must have at most ${requirement} entries`;
    case 'min_value':
      return `must be at least ${requirement}`;
    case 'max_value':
      return `must be at most ${requirement}`;
    case 'integer':
    case 'safe_integer':
      return 'must be a whole number';
    case 'finite':
      return 'must be finite';
    case 'boolean':
      return 'must be true or false';
    case 'array':
      return 'must be an array';
    case 'object':
    case 'strict_object':
    case 'record':
      return 'must be an object';
    case 'string':
    case 'number':
    case 'null':
      return `must be ${issue.type === 'null' ? 'null' : `a ${issue.type}`}`;
    case 'literal':
    case 'picklist':
      return `must be one of ${(issue.expected ?? '').replace(/^\(|\)$/g, '').replaceAll(' | ', ', ')}`;
    default:
      return 'is not valid';
  }
}
