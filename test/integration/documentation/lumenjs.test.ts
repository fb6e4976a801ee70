import { expect, test } from 'vitest';
import { CommClient, CommError } from '../../../src/index.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { eventually } from '../../helpers/eventually.ts';
import { freePort, runSnippet } from '../../helpers/documentation/run-snippet.ts';
import { snippetsOf } from '../../helpers/documentation/snippets.ts';

const adapter = snippetsOf('docs/lumenjs.md').find(({ file }) => file === 'api/_comm.ts');

test('api/_comm.ts: a client reads over the api files of a LumenJS app', async () => {
  const port = await freePort();
  // A server that has just started prepares its database before its first hello.
  const clock = patientClock({ helloMs: 60_000 });
  const code = adapter?.code ?? '';
  await using app = await runSnippet({ file: 'comm.ts', code, prints: ['listening'] }, port, 'lumen-app-child.ts');
  await app.printed;
  const connect = (token: string) =>
    new CommClient({ url: `http://127.0.0.1:${port}`, restPath: '/api/comm', token, clock });
  await using ada = connect('ada');
  await using eve = connect('eve');
  await Promise.all([ada.connect(), eve.connect()]);

  const { id } = await ada.conversations.create({ type: 'direct', participantIds: ['bob'] });
  await ada.messages.send({ conversationId: id, content: 'Hi Bob' });
  const { messages } = await ada.messages.list({ conversationId: id, limit: 10 });
  expect(messages.map(({ content }) => content)).toEqual(['Hi Bob']);
  // A busy machine may exceed the deadline of a search.
  await eventually(async () => expect(await ada.messages.search({ query: 'bob' })).toHaveLength(1));
  const view = ada.conversations.open(id);
  await view.ready;
  expect(view.getSnapshot().messages).toHaveLength(1);

  const refusal = await eve.messages.list({ conversationId: id }).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(CommError);
  expect(refusal).toMatchObject({ code: 'NOT_FOUND' });
  const headers = { 'x-user-id': 'ada' };
  const claimed = await fetch(`http://127.0.0.1:${port}/api/comm/conversations?userId=ada`, { headers });
  expect(claimed.status).toBe(401);
});
