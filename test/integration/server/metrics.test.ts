import { expect, test } from 'vitest';
import { SERVER_ERROR_CODES } from '../../../src/protocol/errors.ts';
import { connectClient } from '../../helpers/server/checked-client.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { documentedMetrics, metricNames, readMetrics } from '../../helpers/server/read-metrics.ts';

test('metrics count sockets, stored messages and refusals by code', async () => {
  await using server = await startServer();
  const before = await readMetrics(server.url);
  for (const code of SERVER_ERROR_CODES) expect(before.get(`lumen_comm_refusals_total{code="${code}"}`)).toBe(0);
  expect(before.get('lumen_comm_sockets')).toBe(0);
  expect(before.get('lumen_comm_messages_total')).toBe(0);

  const ada = await server.connect('ada');
  await server.connect('bob');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const message = { conversationId, content: 'once', type: 'text', clientId: 'c1' } as const;
  await ada.ask('message:send', message);
  // A repetition stores nothing.
  await ada.ask('message:send', message);
  await server.server.api.messages.send({ conversationId, system: true, content: 'of the app' });
  await ada.refused('message:send', { conversationId: 'unknown', content: 'nowhere', type: 'text' });
  expect((await server.rest('/conversations/unknown', 'ada')).status).toBe(404);
  const after = await readMetrics(server.url);
  expect(after.get('lumen_comm_sockets')).toBe(2);
  expect(after.get('lumen_comm_messages_total')).toBe(2);
  expect(after.get('lumen_comm_refusals_total{code="NOT_FOUND"}')).toBe(2);
  expect(after.get('lumen_comm_refusals_total{code="INVALID"}')).toBe(0);
});

test('metrics have a histogram of the commit times', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
  const before = await readMetrics(server.url);
  for (let at = 0; at < 10; at += 1) await ada.ask('message:send', { conversationId, content: `${at}`, type: 'text' });
  const after = await readMetrics(server.url);
  const count = after.get('lumen_comm_commit_seconds_count') ?? 0;
  expect(count).toBeGreaterThanOrEqual((before.get('lumen_comm_commit_seconds_count') ?? 0) + 10);
  expect(after.get('lumen_comm_commit_seconds_sum')).toBeGreaterThan(
    before.get('lumen_comm_commit_seconds_sum') ?? Infinity,
  );
  const buckets = [...after].filter(([name]) => name.startsWith('lumen_comm_commit_seconds_bucket'));
  expect(buckets.at(-1)).toEqual(['lumen_comm_commit_seconds_bucket{le="+Inf"}', count]);
  expect(buckets.map(([, value]) => value)).toEqual(buckets.map(([, value]) => value).toSorted((a, b) => a - b));
  expect(after.get('lumen_comm_failed_commits_total')).toBe(0);
  expect(after.get('lumen_comm_writes_waiting')).toBe(0);
});

test('every metric is documented', async () => {
  await using server = await startServer();
  expect(metricNames(await readMetrics(server.url))).toEqual(documentedMetrics('docs/operations.md', 'Metrics'));
});

test('metrics contain no ids', async () => {
  await using server = await startServer();
  await connectClient(server.url, { userId: 'secret-user' });
  expect(await (await fetch(`${server.url}/metrics`)).text()).not.toContain('secret');
});
