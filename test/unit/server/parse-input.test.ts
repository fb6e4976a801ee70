import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { listMessagesQuerySchema } from '../../../src/protocol/rest.ts';
import { REQUEST_SCHEMAS } from '../../../src/protocol/event-schemas.ts';
import { parseInput } from '../../../src/server/parse-input.ts';
import { keyBundle } from '../../helpers/server/keys.ts';

const send = REQUEST_SCHEMAS['message:send'].req;
const message = { conversationId: 'c', content: 'Hello', type: 'text' };
const attachment = { url: '/f', mimeType: 'image/png', fileName: 'f', fileSize: 1 };

describe('parseInput', () => {
  test('returns the parsed input', () => {
    expect(parseInput(send, { ...message, unknown: 1 })).toEqual(message);
  });

  test.each<[input: unknown, message: string]>([
    [undefined, 'request is required'],
    ['text', 'request must be an object'],
    [{ content: 'Hello', type: 'text' }, 'conversationId is required'],
    [{ ...message, conversationId: 7 }, 'conversationId must be a string'],
    [{ ...message, conversationId: '' }, 'conversationId must not be empty'],
    [{ ...message, conversationId: 'x'.repeat(257) }, 'conversationId must have at most 256 characters'],
    [
      { ...message, conversationId: 'a\nb' },
      'conversationId must not contain control characters or unpaired surrogates',
    ],
    [{ ...message, type: 'song' }, 'type must be one of "text", "image", "file", "audio"'],
    [
      { ...message, attachment: { ...attachment, url: 'data:text/html,hi' } },
      'attachment.url must be an http(s) or relative URL; got a data: URL',
    ],
    [{ ...message, attachment: { ...attachment, url: 'f' } }, 'attachment.url must be an http(s) or relative URL'],
    [
      { ...message, attachment: { ...attachment, mimeType: 'image' } },
      'attachment.mimeType must be a MIME type such as image/png',
    ],
    [{ ...message, attachment: { ...attachment, fileSize: -1 } }, 'attachment.fileSize must be at least 0'],
    [{ ...message, attachment: { ...attachment, fileSize: 0.5 } }, 'attachment.fileSize must be a whole number'],
    [{ ...message, encrypted: 'yes' }, 'encrypted must be true or false'],
  ])('names field and rule: %j', (input, expected) => {
    expect(() => parseInput(send, input)).toThrow(expect.objectContaining({ code: 'INVALID', message: expected }));
  });

  test('names the index of a list', () => {
    const create = REQUEST_SCHEMAS['conversation:create'].req;
    const input = { type: 'group', participantIds: ['bob', ''] };
    expect(() => parseInput(create, input)).toThrow('participantIds.1 must not be empty');
    expect(() => parseInput(create, { type: 'group', participantIds: 'bob' })).toThrow(
      'participantIds must be an array',
    );
  });

  test('names the encoding of keys', () => {
    const upload = REQUEST_SCHEMAS['encryption:upload-keys'].req;
    const input = { ...keyBundle(0), identityKey: 'short' };
    expect(() => parseInput(upload, input)).toThrow('identityKey must be 32 bytes in base64');
  });

  test('reports a rule about several fields as it is', () => {
    expect(() => parseInput(listMessagesQuerySchema, { before: '1', after: '2' })).toThrow(
      /^before, after and around cannot be combined$/,
    );
    expect(() => parseInput(listMessagesQuerySchema, { limit: 'ten' })).toThrow('limit must be a whole number');
  });

  test('reports a long text as MESSAGE_TOO_LONG', () => {
    const schema = v.object({ content: v.pipe(v.string(), v.maxLength(3)) });
    expect(() => parseInput(schema, { content: 'four' })).toThrow(
      expect.objectContaining({ code: 'MESSAGE_TOO_LONG', message: 'content must have at most 3 characters' }),
    );
  });

  test('never contains the received value or a key that the peer chose', () => {
    const sync = REQUEST_SCHEMAS.sync.req;
    const input = { inboxRev: 0, cursors: { 'a secret <key>': 'secret value' } };
    expect(() => parseInput(sync, input)).toThrow(/^an entry of cursors must be a number$/);
    expect(() => parseInput(send, { ...message, type: 'secret' })).toThrow(/^(?!.*secret)/);
  });
});
