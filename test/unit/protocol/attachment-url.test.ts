import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { isAttachmentUrl } from '../../../src/protocol/attachment-url.ts';
import { attachmentSchema } from '../../../src/protocol/messages.ts';
import { fc } from '../../helpers/property.ts';

describe('the URL of an attachment', () => {
  test.each([
    'https://files.example.com/a.png',
    'HTTP://files.example.com:8080/a?b=c#d',
    '/files/1',
    './files/1',
    '../files/1',
    '/',
    '/files//1',
    '/a%09b',
    'https://xn--bcher-kva.example/bücher',
  ])('is accepted: %j', (url) => {
    expect(isAttachmentUrl(url)).toBe(true);
  });

  test.each([
    '',
    'file.png',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '\\\\evil.example',
    ' https://evil.example',
    'https://a b',
    'https://a\u00a0b/',
    'https:evil.example',
    'https:/evil.example',
    'https://',
    'https://[::1',
    'https://evil.example\\@good.example',
    'javascript:alert(1)',
    'JAVASCRIPT:alert(1)',
    'java\tscript:alert(1)',
    'data:text/html,hi',
    'blob:https://a/b',
    'http\u0000s://evil.example',
    './\\evil.example',
  ])('is rejected: %j', (url) => {
    expect(isAttachmentUrl(url)).toBe(false);
  });

  test('never leads a page to another origin unless it starts with http:// or https://', () => {
    const part = fc.constantFrom(
      '/',
      '\\',
      '.',
      '..',
      ':',
      '@',
      '\t',
      ' ',
      '%2f',
      'http',
      'https:',
      'evil.example',
      '?',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const url = parts.join('');
        if (!isAttachmentUrl(url) || /^https?:\/\//i.test(url)) return;
        expect(new URL(url, 'https://page.example/a/b').origin).toBe('https://page.example');
      }),
      { numRuns: 5_000 },
    );
  });

  test('is checked for the file and for its thumbnail', () => {
    const attachment = { url: '/f', mimeType: 'image/png', fileName: 'f', fileSize: 1 };
    expect(v.is(attachmentSchema, { ...attachment, thumbnailUrl: '/t' })).toBe(true);
    expect(v.is(attachmentSchema, { ...attachment, url: '/\\evil.example' })).toBe(false);
    expect(v.is(attachmentSchema, { ...attachment, thumbnailUrl: '/\\evil.example' })).toBe(false);
  });
});
