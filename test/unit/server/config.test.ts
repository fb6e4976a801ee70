import { describe, expect, test } from 'vitest';
import { mimeTypeAllowed, resolveConfig, type CommunicationConfig } from '../../../src/server/config.ts';

describe('the configuration', () => {
  test('has a value for everything that is left out', () => {
    expect(resolveConfig()).toEqual({
      namespace: '/nk/messages',
      path: '/__nk_socketio/',
      restPath: '/__nk_comm',
      maxMessageLength: 10_000,
      pageSize: 50,
      typingTimeoutMs: 5_000,
      presenceGraceMs: 5_000,
      rateLimit: undefined,
      fileUpload: { maxFileSize: 52_428_800, allowedMimeTypes: undefined },
      socketFlood: { burst: 10_000, perSecond: 1_000 },
      restFlood: { burst: 5_000, perSecond: 1_000 },
      ringTimeoutMs: 45_000,
      callReconnectMs: 25_000,
      maxCallParticipants: 8,
      maxVideoParticipants: 4,
    });
  });

  test('keeps what it is given; a REST path ends without a slash', () => {
    const config = resolveConfig({
      restPath: '/chat/',
      rateLimit: { maxMessages: 5, windowSeconds: 0.5 },
      fileUpload: { allowedMimeTypes: ['Image/PNG'] },
    });
    expect(config.restPath).toBe('/chat');
    expect(config.rateLimit).toEqual({ maxMessages: 5, windowSeconds: 0.5 });
    expect(config.fileUpload.allowedMimeTypes).toEqual(['image/png']);
  });

  test.each<[name: string, config: CommunicationConfig]>([
    ['maxMessageLength', { maxMessageLength: 0 }],
    ['maxMessageLength', { maxMessageLength: 1.5 }],
    ['maxMessageLength', { maxMessageLength: 2 ** 30 }],
    ['pageSize', { pageSize: 202 }],
    ['presenceGraceMs', { presenceGraceMs: -1 }],
    ['typingTimeoutMs', { typingTimeoutMs: Number.NaN }],
    ['rateLimit.maxMessages', { rateLimit: { maxMessages: 0, windowSeconds: 1 } }],
    ['rateLimit.windowSeconds', { rateLimit: { maxMessages: 1, windowSeconds: 0 } }],
    ['socketFlood.perSecond', { socketFlood: { burst: 1, perSecond: Number.POSITIVE_INFINITY } }],
    ['namespace', { namespace: 'messages' }],
    ['restPath', { restPath: '' }],
  ])('names %s when it can’t work', (name, config) => {
    expect(() => resolveConfig(config)).toThrow(TypeError);
    expect(() => resolveConfig(config)).toThrow(name);
  });
});

test.each([
  ['image/png', undefined, true],
  ['image/png', [], false],
  ['image/png', ['image/png'], true],
  ['IMAGE/PNG', ['image/png'], true],
  ['image/png', ['image/*'], true],
  ['image/png', ['*/*'], true],
  ['imagex/png', ['image/*'], false],
  ['text/html', ['image/*', 'text/plain'], false],
])('%s on the list %j: %s', (mimeType, allowed, expected) => {
  expect(mimeTypeAllowed(mimeType, allowed)).toBe(expected);
});
