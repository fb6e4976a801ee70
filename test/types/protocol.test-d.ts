import { expectTypeOf, test } from 'vitest';
import type { Message, PushName, Pushes, RequestOf, ResponseOf } from '../../src/protocol/index.ts';

test('a request knows what it carries and what it is answered with', () => {
  expectTypeOf<ResponseOf<'message:send'>>().toEqualTypeOf<Message>();
  expectTypeOf<RequestOf<'typing:start'>>().toEqualTypeOf<{ conversationId: string }>();
});

test('a push name leads to its payload', () => {
  expectTypeOf<Pushes['message:new']>().toEqualTypeOf<Message>();
  expectTypeOf<'message:nope'>().not.toExtend<PushName>();
});
