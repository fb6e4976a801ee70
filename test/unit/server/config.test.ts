import { describe, expect, test } from 'vitest';
import {
  mimeTypeAllowed,
  resolveConfig,
  resolveTurn,
  type CommunicationConfig,
  type TurnConfig,
} from '../../../src/server/config.ts';

describe('resolveConfig', () => {
  test('applies a default to every absent value', () => {
    expect(resolveConfig()).toEqual({
      namespace: '/nk/messages',
      path: '/__nk_socketio/',
      restPath: '/__nk_comm',
      maxMessageLength: 10_000,
      pageSize: 50,
      userSearch: false,
      typingTimeoutMs: 5_000,
      presenceGraceMs: 5_000,
      rateLimit: undefined,
      linkPreviews: false,
      fileUpload: { maxFileSize: 52_428_800, allowedMimeTypes: undefined },
      ringTimeoutMs: 45_000,
      callReconnectMs: 25_000,
      maxCallParticipants: 8,
      maxVideoParticipants: 4,
      iceServers: [],
    });
  });

  test('keeps given values and removes the trailing slash of a REST path', () => {
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
    ['iceServers[0].urls', { iceServers: [{ urls: 'https://stun.example.com' }] }],
    ['iceServers[1].urls', { iceServers: [{ urls: 'stun:stun.example.com' }, { urls: [] }] }],
    ['maxMessageLength', { maxMessageLength: 0 }],
    ['maxMessageLength', { maxMessageLength: 1.5 }],
    ['maxMessageLength', { maxMessageLength: 2 ** 30 }],
    ['pageSize', { pageSize: 202 }],
    ['presenceGraceMs', { presenceGraceMs: -1 }],
    ['typingTimeoutMs', { typingTimeoutMs: Number.NaN }],
    ['rateLimit.maxMessages', { rateLimit: { maxMessages: 0, windowSeconds: 1 } }],
    ['rateLimit.windowSeconds', { rateLimit: { maxMessages: 1, windowSeconds: 0 } }],
    ['namespace', { namespace: 'messages' }],
    ['restPath', { restPath: '' }],
  ])('throws a TypeError that names %s', (name, config) => {
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
])('%s with the allowed types %j: %s', (mimeType, allowed, expected) => {
  expect(mimeTypeAllowed(mimeType, allowed)).toBe(expected);
});

test('an empty list of types allows all', () => {
  expect(resolveConfig({ fileUpload: { allowedMimeTypes: [] } }).fileUpload.allowedMimeTypes).toBeUndefined();
});

test("LumenJS's other fields are accepted", () => {
  const config: CommunicationConfig = {
    readReceipts: true,
    typingIndicators: true,
    mediaConstraints: { audio: true, video: { width: { ideal: 1280 } } },
    encryption: { enabled: true, oneTimePreKeyCount: 50 },
    messageRetentionDays: 0,
    reconnection: { maxRetries: 10, baseDelayMs: 1_000, maxDelayMs: 30_000 },
    fileUpload: { maxFileSize: 1, maxAttachmentsPerMessage: 10 },
  };
  expect(resolveConfig(config)).toMatchObject({ fileUpload: { maxFileSize: 1 } });
});

describe('resolveTurn', () => {
  test('applies the default validity', () => {
    const turn = resolveTurn({ urls: 'turn:turn.example.com', secret: 's' });
    expect(turn).toEqual({ urls: ['turn:turn.example.com'], secret: 's', ttl: 86_400 });
  });

  test.each<[name: string, config: TurnConfig]>([
    ['turn.urls', { urls: [], secret: 'top secret' }],
    ['turn.urls', { urls: 'stun:stun.example.com', secret: 'top secret' }],
    ['turn.urls', { urls: ['turn:turn.example.com', 'turn: turn.example.com'], secret: 'top secret' }],
    ['turn.secret', { urls: 'turn:turn.example.com', secret: '' }],
    ['turn.ttl', { urls: 'turn:turn.example.com', secret: 'top secret', ttl: 59 }],
    ['turn.ttl', { urls: 'turn:turn.example.com', secret: 'top secret', ttl: Number.NaN }],
  ])('throws a TypeError that names %s and not the secret', (name, config) => {
    const attempt = (): unknown => resolveTurn(config);
    expect(attempt).toThrow(TypeError);
    expect(attempt).toThrow(name);
    expect(attempt).not.toThrow('top secret');
  });
});
