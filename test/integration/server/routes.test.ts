import { DatabaseSync } from 'node:sqlite';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { REST_ANSWER_SCHEMAS } from '../../../src/protocol/rest.ts';
import type { RestRouteName } from '../../../src/protocol/constants.ts';
import { serverCoreFor, type ServerCore } from '../../../src/server/server-core.ts';
import { createCommunicationRoutes, type CommunicationRoutesOptions } from '../../../src/server/routes.ts';
import { CommunicationStore } from '../../../src/server/cluster/memory-ephemera.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { caller } from '../../helpers/server/chat.ts';

const ORIGIN = 'http://comm.test';

describe('REST routes', () => {
  let db: DatabaseSync;
  let core: ServerCore;
  let routes: (request: Request) => Promise<Response>;
  let conversationId: string;
  let messageId: string;
  beforeEach(async () => {
    db = new DatabaseSync(':memory:');
    routes = start();
    core = serverCoreFor({ db });
    await core.ready();
    const made = await core.services.conversations.create(caller('ada'), { type: 'direct', participantIds: ['bob'] });
    conversationId = made.conversation.id;
    const sent = await core.services.sending.send(caller('ada'), {
      conversationId,
      content: 'hello world',
      type: 'text',
    });
    messageId = sent.id;
  });
  afterEach(() => {
    core.close();
    db.close();
  });

  function start(options: CommunicationRoutesOptions = {}) {
    const limits = { searchDeadlineMs: 60_000 };
    return createCommunicationRoutes({ db, store: new CommunicationStore(), logger: silentLogger, limits, ...options });
  }

  function ask(target: string, init: RequestInit & { user?: string | null } = {}): Promise<Response> {
    const [method = 'GET', path = ''] = target.split(' ');
    const { user = 'ada', headers, ...rest } = init;
    return routes(
      new Request(`${ORIGIN}/__nk_comm${path}`, {
        method,
        ...rest,
        headers: { ...(user !== null && { 'x-user-id': user }), ...(headers as Record<string, string>) },
      }),
    );
  }

  const post = (body: unknown, init: RequestInit & { user?: string } = {}) =>
    ask('POST /conversations', {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
      ...init,
    });

  const codeOf = async (response: Response) => {
    const body = (await response.json()) as { error: { code: string; message: string } };
    expect(Object.keys(body)).toEqual(['error']);
    expect(typeof body.error.message).toBe('string');
    return `${response.status} ${body.error.code}`;
  };

  /** Disabled here, or of groups only; link-previews.test.ts, profiles.test.ts and groups.test.ts cover them. */
  type TestedRoute = Exclude<RestRouteName, 'linkPreviews' | 'searchUsers' | 'listBans'>;
  const TARGETS: Record<TestedRoute, (id: string, message: string) => string> = {
    listConversations: () => 'GET /conversations',
    createConversation: () => 'POST /conversations',
    getConversation: (id) => `GET /conversations/${id}`,
    listMembers: (id) => `GET /conversations/${id}/members`,
    listMessages: (id) => `GET /conversations/${id}/messages?limit=10`,
    listPinned: (id) => `GET /conversations/${id}/pinned?limit=10`,
    listChanges: (id) => `GET /conversations/${id}/changes?after=0`,
    searchMessages: () => 'GET /messages/search?q=hello',
    getMessage: (_, message) => `GET /messages/${message}`,
    deleteMessage: (_, message) => `DELETE /messages/${message}`,
    getUser: () => 'GET /users/bob',
  };
  const ROUTES = Object.keys(TARGETS) as TestedRoute[];
  const request = (name: TestedRoute, id = conversationId, message = messageId) => TARGETS[name](id, message);

  test.each(ROUTES)('%s answers according to the protocol and forbids caching', async (name) => {
    const create = name === 'createConversation';
    const response = create ? await post({ type: 'group', participantIds: ['bob'] }) : await ask(request(name));
    expect(response.status).toBe(create ? 201 : 200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const body: unknown = await response.json();
    expect(v.parse(REST_ANSWER_SCHEMAS[name], body)).toEqual(body);
    expect(body).not.toEqual([]);
  });

  test.each(ROUTES)('%s requires authentication', async (name) => {
    const response = await ask(request(name), { user: null });
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await codeOf(response)).toBe('401 UNAUTHENTICATED');
  });

  test.each(['getConversation', 'listMessages', 'listChanges', 'getMessage', 'deleteMessage'] as const)(
    '%s answers the same for a foreign and an unknown id',
    async (name) => {
      const foreign = await ask(request(name), { user: 'eve' });
      const unknown = await ask(request(name, 'nowhere', '999'), { user: 'eve' });
      expect(await foreign.clone().text()).toBe(await unknown.text());
      expect(await codeOf(foreign)).toBe('404 NOT_FOUND');
    },
  );

  test.each([
    'GET /',
    'GET /nothing',
    'GET /conversations/',
    'GET /conversations/x/y',
    'GET /conversations/x/messages/y',
    'PUT /conversations',
    'DELETE /conversations',
    'POST /messages/1',
    'OPTIONS /conversations',
    'HEAD /conversations',
  ])('%s matches no route', async (target) => {
    const response = await ask(target);
    expect(response.status).toBe(404);
  });

  test('a path that only starts like the REST path matches no route', async () => {
    for (const path of ['/__nk_commx/conversations', '/', '/__nk_comm', '/x/__nk_comm/conversations']) {
      const response = await routes(new Request(`${ORIGIN}${path}`, { headers: { 'x-user-id': 'ada' } }));
      expect(await codeOf(response)).toBe('404 NOT_FOUND');
    }
  });

  test.each([
    ['GET /conversations?limit=0'],
    ['GET /conversations?limit=202'],
    ['GET /conversations?limit=ten'],
    ['GET /conversations?limit=1.5'],
    ['GET /conversations?limit=-1'],
    ['GET /conversations?limit='],
    ['GET /conversations?offset=-1'],
    ['GET /conversations?offset=99999999999999999999'],
    ['GET /conversations/x/messages?before=1&after=2'],
    ['GET /conversations/x/changes'],
    ['GET /conversations/x/changes?after=x'],
    ['GET /messages/search'],
    ['GET /messages/search?q='],
    ['GET /messages/search?q=%20'],
    [`GET /messages/search?q=${'x'.repeat(LIMITS.searchLength + 1)}`],
    ['GET /messages/%E0%A4%A'],
    ['GET /conversations/%'],
    ['GET /conversations/%00'],
    [`GET /conversations/${'x'.repeat(LIMITS.idLength + 1)}`],
  ])('%s is INVALID', async (target) => {
    expect(await codeOf(await ask(target))).toBe('400 INVALID');
  });

  test.each([
    ['no body', undefined],
    ['invalid JSON', '{'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a wrong type', '{"type":"channel","participantIds":["bob"]}'],
    ['no participants', '{"type":"group"}'],
    ['an invalid id', '{"type":"group","participantIds":[7]}'],
    ['two other users in a direct conversation', '{"type":"direct","participantIds":["bob","cleo"]}'],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ])('creating with %s is INVALID', async (_title, body) => {
    const response = await ask('POST /conversations', {
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
    });
    expect(await codeOf(response)).toBe('400 INVALID');
  });

  test('a body of another content type is rejected, as an HTML form of another site could send it', async () => {
    const body = JSON.stringify({ type: 'group', participantIds: ['bob'] });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
      expect(await codeOf(await ask('POST /conversations', { body, headers: { 'content-type': type } }))).toBe(
        '400 INVALID',
      );
    }
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expect((await ask('POST /conversations', { body, headers })).status).toBe(201);
  });

  test("2,000 levels of nesting are INVALID and don't crash the server", async () => {
    const body = `${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`;
    expect(
      await codeOf(await ask('POST /conversations', { body, headers: { 'content-type': 'application/json' } })),
    ).toBe('400 INVALID');
  });

  test('a body above the limit is rejected by its length before it is read', async () => {
    const body = 'x'.repeat(LIMITS.bodyBytes + 1);
    const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
    expect(await codeOf(await ask('POST /conversations', { body, headers }))).toBe('413 MESSAGE_TOO_LONG');
  });

  test('a body without a length is cut off at the limit', async () => {
    let sent = 0;
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
      cancel() {
        cancelled = true;
      },
    });
    const init = { body: endless, duplex: 'half', headers: { 'content-type': 'application/json' } };
    expect(await codeOf(await ask('POST /conversations', init))).toBe('413 MESSAGE_TOO_LONG');
    expect(cancelled).toBe(true);
    expect(sent).toBeLessThan(LIMITS.bodyBytes + 4 * 65_536);
  });

  test('creating an existing direct conversation returns it with status 200', async () => {
    const response = await post({ type: 'direct', participantIds: ['ada'] }, { user: 'bob' });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id: conversationId });
  });

  test('only the sender can delete a message; deleting is idempotent', async () => {
    expect(await codeOf(await ask(`DELETE /messages/${messageId}`, { user: 'bob' }))).toBe('403 FORBIDDEN');
    const first: unknown = await (await ask(`DELETE /messages/${messageId}`)).json();
    expect(first).toMatchObject({ id: messageId, content: '' });
    const again = await ask(`DELETE /messages/${messageId}`);
    expect([again.status, await again.json()]).toEqual([200, first]);
  });

  test('a message is found by its client id by its sender only', async () => {
    const mine = { conversationId, content: 'mine', type: 'text', clientId: 'c-1' } as const;
    const { id } = await core.services.sending.send(caller('ada'), mine);
    expect(await (await ask('GET /messages/c-1')).json()).toMatchObject({ id });
    for (const target of ['GET /messages/c-1', 'DELETE /messages/c-1']) {
      expect(await codeOf(await ask(target, { user: 'bob' }))).toBe('404 NOT_FOUND');
    }
    expect(await (await ask('DELETE /messages/c-1')).json()).toMatchObject({ id, content: '' });
  });

  test('ids may be any percent-encoded text', async () => {
    const id = 'odd/ id?#ü';
    db.prepare("INSERT INTO conversations (id, type) VALUES (?, 'group')").run(id);
    db.prepare("INSERT INTO conversation_participants (conversation_id, user_id) VALUES (?, 'ada')").run(id);
    const response = await ask(`GET /conversations/${encodeURIComponent(id)}`);
    expect(await response.json()).toMatchObject({ id });
  });

  test.each(["' OR 1=1 --", '__proto__', 'constructor', '"; DROP TABLE messages'])(
    '%s is treated as an ordinary id',
    async (id) => {
      expect(await codeOf(await ask(`GET /conversations/${encodeURIComponent(id)}`))).toBe('404 NOT_FOUND');
      expect(await codeOf(await ask(`GET /messages/${encodeURIComponent(id)}`))).toBe('404 NOT_FOUND');
      expect((await ask('GET /conversations?__proto__=1&constructor=2')).status).toBe(200);
    },
  );

  test("a user over the rate limit gets Retry-After; other users aren't affected", async () => {
    const other = new DatabaseSync(':memory:');
    routes = start({ db: other, clock: manualClock(), limits: { requests: { burst: 4, perSecond: 0.5 } } });
    expect((await ask('GET /conversations')).status).toBe(200);
    expect((await ask('GET /conversations')).status).toBe(200);
    const refused = await ask('GET /conversations');
    expect(refused.headers.get('retry-after')).toBe('2');
    expect(await codeOf(refused)).toBe('429 RATE_LIMITED');
    expect((await ask('GET /conversations', { user: 'bob' })).status).toBe(200);
    other.close();
  });

  test('an expired token is distinguished from a missing one', async () => {
    routes = start({
      authenticate: () => {
        throw new CommError('TOKEN_EXPIRED', 'Expired');
      },
    });
    expect(await codeOf(await ask('GET /conversations'))).toBe('401 TOKEN_EXPIRED');
  });

  test('an internal error reveals nothing', async () => {
    db.exec('DROP TABLE conversation_participants');
    const response = await ask('GET /conversations');
    expect(await response.clone().text()).not.toMatch(/sql|table|participants/i);
    expect(await codeOf(response)).toBe('500 INTERNAL');
  });

  test('a database of a newer version is not served', async () => {
    const newer = new DatabaseSync(':memory:');
    newer.exec(`CREATE TABLE comm_migrations (version INTEGER PRIMARY KEY, name TEXT);
      INSERT INTO comm_migrations VALUES (99, 'future')`);
    routes = start({ db: newer });
    expect(await codeOf(await ask('GET /conversations'))).toBe('503 UNAVAILABLE');
    newer.close();
  });

  test('a server that shuts down rejects new requests', async () => {
    core.drain();
    expect(await codeOf(await ask('GET /conversations'))).toBe('503 UNAVAILABLE');
  });
});
