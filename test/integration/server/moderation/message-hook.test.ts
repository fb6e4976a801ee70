import { describe, expect, test, vi } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import type { ProposedMessage, ServerHooks } from '../../../../src/server/index.ts';
import { caller, startChat, type Chat } from '../../../helpers/server/chat.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { envelopeOf } from '../../../helpers/server/envelopes.ts';

type Hook = NonNullable<ServerHooks['beforeMessage']>;

/** Replaces a word, and refuses another one. */
const review: Hook = (message) => {
  if (message.content.includes('forbidden word')) throw new CommError('FORBIDDEN', 'Not here');
  return { ...message, content: message.content.replace('rude', 'kind') };
};

async function startPair(hook: Hook): Promise<Chat & { readonly conversationId: string }> {
  const chat = await startChat({ hooks: { beforeMessage: hook } });
  return { ...chat, conversationId: (await chat.direct('ada', 'bob')).id };
}
const contents = async (chat: Chat, conversationId: string): Promise<string[]> =>
  (await chat.history.list('bob', conversationId)).map(({ content }) => content).toReversed();

describe('the hook beforeMessage', () => {
  test('changes or refuses messages, each of a batch by itself, and edits', async () => {
    await using server = await startServer({ hooks: { beforeMessage: review } });
    const ada = await server.connect('ada');
    const bob = await server.connect('bob');
    const base = await server.connectBase('cleo');
    const { id: conversationId } = await ada.ask('conversation:create', {
      type: 'group',
      participantIds: ['bob', 'cleo'],
    });
    await bob.next('conversation:new');
    const say = (content: string) => ({ conversationId, content, type: 'text' }) as const;
    const sent = await ada.ask('message:send', say('a rude text'));
    expect(sent.content).toBe('a kind text');
    expect((await bob.next('message:new')).content).toBe('a kind text');
    expect(await ada.refused('message:send', say('a forbidden word'))).toEqual({
      code: 'FORBIDDEN',
      message: 'Not here',
    });
    const batched = ['rude one', 'forbidden word', 'rude three'].map((content) => ({
      name: 'message:send',
      payload: say(content),
    }));
    expect(await ada.ask('batch', { requests: batched })).toMatchObject([
      { ok: true, data: { content: 'kind one' } },
      { ok: false, error: { code: 'FORBIDDEN' } },
      { ok: true, data: { content: 'kind three' } },
    ]);
    const ref = { conversationId, messageId: sent.id };
    expect((await ada.ask('message:edit', { ...ref, content: 'rude again' })).content).toBe('kind again');
    expect(await ada.refused('message:edit', { ...ref, content: 'a forbidden word' })).toMatchObject({
      code: 'FORBIDDEN',
    });
    // A base client is told by a push, as of any other rejection.
    base.emit('message:send', say('a forbidden word'));
    expect(await base.next('message:error')).toMatchObject({ code: 'FORBIDDEN', event: 'message:send' });
  });

  test('sees who sends what, and replaces or removes metadata', async () => {
    const hook = vi.fn<Hook>(({ content, metadata, ...rest }) =>
      content === 'remove' ? { ...rest, content, metadata: undefined } : { metadata: { ...metadata, seen: true } },
    );
    const chat = await startPair(hook);
    const { conversationId } = chat;
    const sent = await chat.say('ada', conversationId, 'keep', { metadata: { a: 1 }, clientId: 'c-1' });
    expect(sent.metadata).toEqual({ a: 1, seen: true });
    const proposed = { conversationId, senderId: 'ada', content: 'keep', type: 'text', metadata: { a: 1 } };
    expect(hook).toHaveBeenLastCalledWith({ ...proposed, clientId: 'c-1' }, 'ada');
    expect(await chat.say('ada', conversationId, 'remove', { metadata: { a: 1 } })).not.toHaveProperty('metadata');
    await chat.messages.edit(caller('ada'), { conversationId, messageId: sent.id, content: 'edited' });
    expect(hook.mock.lastCall?.[0]).toMatchObject({ messageId: sent.id, senderId: 'ada', content: 'edited' });
    chat.sqlite.close();
  });

  test('what it does to the message that it is given changes nothing', async () => {
    const chat = await startPair((message: { metadata?: unknown }) => {
      Object.assign(message.metadata as object, { injected: true });
    });
    const { metadata } = await chat.say('ada', chat.conversationId, 'x', { metadata: { a: 1 } });
    expect(metadata).toEqual({ a: 1 });
    chat.sqlite.close();
  });

  test('messages and edits keep their order, however long it takes for each', async () => {
    const answers = new Map(['one', 'two', 'three', 'four'].map((content) => [content, deferred<undefined>()]));
    const chat = await startPair(async ({ content }) => answers.get(content)?.promise);
    const { conversationId } = chat;
    const pushed = chat.broadcaster;
    pushed.take();
    const sent = [
      chat.say('ada', conversationId, 'one', { clientId: 'c-1' }),
      chat.say('ada', conversationId, 'two'),
      chat.messages.edit(caller('ada'), { conversationId, messageId: 'c-1', content: 'three' }),
      chat.say('ada', conversationId, 'four'),
    ];
    // Another sender isn't held up.
    expect((await chat.say('bob', conversationId, 'five')).seq).toBe(1);
    for (const content of ['four', 'three', 'two', 'one']) answers.get(content)?.resolve(undefined);
    const stored = await Promise.all(sent);
    expect(stored.map(({ seq }) => seq)).toEqual([2, 3, 2, 4]);
    const revs = stored.map(({ rev = 0 }) => rev);
    expect(revs).toEqual(revs.toSorted((a, b) => a - b));
    expect(await contents(chat, conversationId)).toEqual(['five', 'three', 'two', 'four']);
    chat.sqlite.close();
  });

  test('a repeated message is not reviewed again, neither while it is reviewed nor once it is stored', async () => {
    const answer = deferred<Partial<ProposedMessage>>();
    const hook = vi
      .fn<Hook>()
      .mockImplementationOnce(() => answer.promise)
      .mockImplementation(() => {
        throw new CommError('FORBIDDEN', 'Changed its mind');
      });
    const chat = await startPair(hook);
    const { conversationId } = chat;
    const send = (): Promise<Message> => chat.say('ada', conversationId, 'x', { clientId: 'c-1' });
    const first = send();
    const second = send();
    answer.resolve({ content: 'y' });
    const stored = await first;
    expect(stored.content).toBe('y');
    expect((await second).id).toBe(stored.id);
    expect((await send()).id).toBe(stored.id);
    expect(hook).toHaveBeenCalledTimes(1);
    // The same with an edit.
    hook.mockImplementationOnce(() => ({ content: 'z' }));
    const edit = (): Promise<Message> =>
      chat.messages.edit(caller('ada'), { conversationId, messageId: stored.id, content: 'q', clientId: 'e-1' });
    expect((await Promise.all([edit(), edit()])).map(({ content }) => content)).toEqual(['z', 'z']);
    expect((await edit()).content).toBe('z');
    expect(hook).toHaveBeenCalledTimes(2);
    chat.sqlite.close();
  });

  test('is not asked about what is refused anyway', async () => {
    const hook = vi.fn<Hook>();
    const chat = await startPair(hook);
    const { conversationId } = chat;
    const { id: messageId } = await chat.say('ada', conversationId, 'x');
    hook.mockClear();
    const refusals = [
      chat.say('mallory', conversationId, 'x'),
      chat.say('ada', conversationId, ''),
      chat.messages.edit(caller('bob'), { conversationId, messageId, content: 'y' }),
      chat.messages.edit(caller('mallory'), { conversationId, messageId, content: 'y' }),
    ];
    const refused = await Promise.all(refusals.map((each) => each.catch((error: unknown) => error)));
    expect(refused).toMatchObject(['NOT_FOUND', 'INVALID', 'FORBIDDEN', 'NOT_FOUND'].map((code) => ({ code })));
    expect(hook).not.toHaveBeenCalled();
    chat.sqlite.close();
  });

  test('reviews forwarded messages', async () => {
    const chat = await startPair(({ conversationId: at, content }) => {
      if (content === 'secret' && at === quiet) throw new CommError('FORBIDDEN', 'Not here');
      return { content: content.replace('rude', 'kind') };
    });
    const { conversationId } = chat;
    const { id: quiet } = await chat.group('ada', 'cleo');
    const secret = await chat.say('ada', conversationId, 'secret');
    const forward = (messageId: string, clientId?: string) =>
      chat.sending.forward(caller('ada'), {
        messageId,
        fromConversationId: conversationId,
        toConversationId: quiet,
        clientId,
      });
    await expect(forward(secret.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const { id } = await chat.say('ada', conversationId, 'open');
    const copy = await forward(id, 'f-1');
    expect(copy).toMatchObject({ content: 'open', forwardedFrom: { messageId: id } });
    expect((await forward(id, 'f-1')).id).toBe(copy.id);
    chat.sqlite.close();
  });

  test('can only refuse an encrypted message, whose envelope it does not see', async () => {
    let refuses = false;
    const hook = vi.fn<Hook>(() => {
      if (refuses) throw new CommError('FORBIDDEN', 'Not now');
      return { content: 'readable', metadata: { a: 1 } };
    });
    const chat = await startPair(hook);
    const { conversationId } = chat;
    const sealed = { encrypted: true, envelope: envelopeOf('ada', 'bob') };
    const sent = await chat.say('ada', conversationId, 'x', sealed);
    expect(sent).toMatchObject({ content: '', envelope: sealed.envelope });
    expect(sent).not.toHaveProperty('metadata');
    expect(hook.mock.lastCall?.[0]).toEqual({
      conversationId,
      senderId: 'ada',
      content: '',
      type: 'text',
      encrypted: true,
    });
    const edit = { conversationId, messageId: sent.id, content: 'x', envelope: envelopeOf('ada', 'bob') };
    expect(await chat.messages.edit(caller('ada'), edit)).toMatchObject({ content: '' });
    refuses = true;
    await expect(chat.say('ada', conversationId, 'x', sealed)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(chat.messages.edit(caller('ada'), edit)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    chat.sqlite.close();
  });

  test.each<[title: string, hook: Hook]>([
    ['throws another error', () => Promise.reject(new Error('broken'))],
    ['returns an empty text', () => ({ content: ' ' })],
    ['returns a text that is too long', () => ({ content: 'x'.repeat(20_000) })],
    ['returns no text', () => ({ content: 7 }) as never],
    ['returns invalid metadata', () => ({ metadata: { text: 'x'.repeat(5_000) } })],
    ['returns no message', () => 'text' as never],
  ])('a message is refused with INTERNAL if it %s', async (_title, hook) => {
    let answers: Hook = () => undefined;
    const chat = await startPair((...asked) => answers(...asked));
    const { conversationId } = chat;
    const { id: messageId } = await chat.say('ada', conversationId, 'x');
    answers = hook;
    const internal = { code: 'INTERNAL', message: 'Internal server error' };
    await expect(chat.say('ada', conversationId, 'y')).rejects.toMatchObject(internal);
    const edit = { conversationId, messageId, content: 'y' };
    await expect(chat.messages.edit(caller('ada'), edit)).rejects.toMatchObject(internal);
    answers = () => undefined;
    await chat.say('ada', conversationId, 'z');
    expect(await contents(chat, conversationId)).toEqual(['x', 'z']);
    chat.sqlite.close();
  });

  test('a message is refused with INTERNAL if it has not answered in 2 s, and what follows is stored', async () => {
    const asked = deferred<undefined>();
    const chat = await startPair(({ content }) => {
      if (content !== 'hangs') return undefined;
      asked.resolve(undefined);
      return new Promise(() => undefined);
    });
    const { conversationId } = chat;
    const silent = chat.say('ada', conversationId, 'hangs').catch((error: unknown) => error);
    const next = chat.say('ada', conversationId, 'next');
    await asked.promise;
    chat.clock.advance(2_000);
    expect(await silent).toMatchObject({ code: 'INTERNAL' });
    expect((await next).seq).toBe(1);
    chat.sqlite.close();
  });
});
