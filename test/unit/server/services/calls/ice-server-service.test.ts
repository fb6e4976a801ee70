import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { resolveConfig, resolveTurn } from '../../../../../src/server/config.ts';
import { IceServerService } from '../../../../../src/server/services/calls/ice-server-service.ts';
import type { Caller } from '../../../../../src/server/services/ports.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

const SECRET = 'north';
const caller = (userId: string): Caller => ({ userId, caps: new Set() });

test('a server without ICE servers answers with none', () => {
  const service = new IceServerService({ clock: manualClock(), config: resolveConfig() });
  expect(service.iceServers(caller('alice'))).toEqual({ iceServers: [] });
});

test('TURN credentials are those of the TURN REST API, expire, and do not contain the user id', () => {
  const config = {
    ...resolveConfig({ iceServers: [{ urls: 'stun:stun.example.com' }] }),
    turn: resolveTurn({ urls: ['turn:turn.example.com'], secret: SECRET, ttl: 600 }),
  };
  const service = new IceServerService({ clock: manualClock(1_000_500), config });
  const { iceServers, ttlSeconds } = service.iceServers(caller('alice'));
  expect(ttlSeconds).toBe(600);
  expect(iceServers[0]).toEqual({ urls: ['stun:stun.example.com'] });
  const { urls, username = '', credential } = iceServers[1] ?? {};
  expect(urls).toEqual(['turn:turn.example.com']);
  expect(username).toMatch(/^1600:[\w-]{22}$/);
  expect(credential).toBe(createHmac('sha1', SECRET).update(username).digest('base64'));
});

test('the name in the credentials is constant for a user and differs between users', () => {
  const config = { ...resolveConfig(), turn: resolveTurn({ urls: 'turn:turn.example.com', secret: SECRET }) };
  const service = new IceServerService({ clock: manualClock(), config });
  const nameOf = (userId: string): string | undefined => service.iceServers(caller(userId)).iceServers[0]?.username;
  expect(nameOf('alice')).toBe(nameOf('alice'));
  expect(nameOf('alice')).not.toBe(nameOf('bob'));
});
