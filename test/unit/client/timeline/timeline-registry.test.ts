import { expect, test } from 'vitest';
import { lazy } from '../../../../src/lib/lazy.ts';
import { BaseHistory } from '../../../../src/client/timeline/base-history.ts';
import { History } from '../../../../src/client/timeline/history.ts';
import { TimelineRegistry } from '../../../../src/client/timeline/timeline-registry.ts';
import { RestClient } from '../../../../src/transport/rest-client.ts';
import { TokenSource } from '../../../../src/transport/token-source.ts';
import { until } from '../../../helpers/client/app.ts';
import { fakeContext } from '../../../helpers/client/context.ts';
import { message, messages } from '../../../helpers/client/messages.ts';
import { created, updated } from '../../../helpers/client/timeline.ts';

/** A timeline of a conversation that holds what `rows` says when it is asked. */
function setUp() {
  const server = { rows: messages(1, 10), status: 200, asked: 0 };
  const context = fakeContext();
  const rest = new RestClient({
    baseUrl: 'http://127.0.0.1',
    fetch: () => {
      server.asked += 1;
      const { status } = server;
      const error = { code: 'UNAVAILABLE', message: 'Not now' };
      const page = { messages: server.rows.toReversed(), hasMore: false };
      return Promise.resolve(Response.json(status === 200 ? page : { error }, { status }));
    },
    clock: context.clock,
    tokens: new TokenSource(undefined),
    userId: () => context.user,
    timeoutMs: 1_000,
  });
  const timelines = new TimelineRegistry(
    context,
    new History(
      context,
      rest,
      lazy(() => Promise.resolve(new BaseHistory(rest))),
    ),
    () => [],
  );
  return { server, context, timelines, timeline: timelines.open('conversation') };
}

const upTo = (end: number): string[] => messages(1, end).map(({ content }) => content);

test('a message that skips a position reloads the end', async () => {
  const { server, timelines, timeline } = setUp();
  await timeline.loadNewest();
  server.rows = [message(1, { rev: 12, deletedAt: 'now', content: '' }), ...messages(2, 13)];
  timelines.apply('conversation', created(message(13)));
  expect(timeline.getSnapshot()).toMatchObject({ hasNewer: true, loading: true });
  const { messages: shown } = await until(timeline, ({ hasNewer }) => !hasNewer);
  expect(shown.map(({ content }) => content)).toEqual(['', ...upTo(13).slice(1)]);
  expect(server.asked).toBe(2);
});

test('events during a reload are kept, and earlier ones come with the page', async () => {
  const { server, timelines, timeline } = setUp();
  await timeline.loadNewest();
  server.rows = messages(1, 13);
  timelines.apply('conversation', created(message(13)));
  timelines.apply('conversation', created(message(14)));
  timelines.apply('conversation', updated(message(2, { rev: 15, content: 'edited' })));
  const { messages: shown } = await until(timeline, ({ hasNewer }) => !hasNewer);
  expect(shown.map(({ content }) => content)).toEqual(['message 1', 'edited', ...upTo(14).slice(2)]);
});

test('a conversation that was left is reloaded when it is entered again, and not before', async () => {
  const { server, context, timelines, timeline } = setUp();
  await timeline.loadNewest();
  timelines.left('conversation');
  expect(timeline.getSnapshot()).toMatchObject({ hasNewer: true, error: { code: 'NOT_FOUND' } });
  timelines.resume();
  await expect(timeline.loadOlder()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(server.asked).toBe(1);
  server.rows = messages(1, 12);
  timelines.entered('conversation');
  const { messages: shown, error } = await until(timeline, ({ hasNewer }) => !hasNewer);
  expect([shown.length, error, context.reported]).toEqual([12, undefined, []]);
  timelines.entered('conversation');
  expect(server.asked).toBe(2);
});

test("no response to the previous user's requests is applied after another user has signed in", async () => {
  const { server, timelines, timeline } = setUp();
  const load = timeline.loadNewest();
  while (server.asked === 0) await Promise.resolve();
  timelines.clear();
  server.rows = messages(1, 3);
  await load;
  expect(timeline.getSnapshot().messages).toHaveLength(3);
  expect(server.asked).toBe(2);
});
