import { expect, test } from 'vitest';
import { onCallMediaToggle } from '../../../../src/server/handlers/calls.ts';
import type { RequestSource } from '../../../../src/server/handlers/define-handler.ts';
import { deferred } from '../../../../src/lib/deferred.ts';

/** Handles a toggle while the store writes. Returns the replies, and what completes the write. */
function toggling(request: object): { replies: unknown[]; handled: Promise<void>; written: () => void } {
  const writing = deferred<undefined>();
  const replies: unknown[] = [];
  const calls = { toggleMedia: () => null, saved: () => writing.promise };
  const source = {
    services: { calls },
    caller: { userId: 'ada', socketId: 's', caps: new Set() },
    charge: () => undefined,
  } as unknown as RequestSource;
  const args = [{ callId: 'c', ...request }, (reply: unknown) => replies.push(reply)];
  return { replies, handled: onCallMediaToggle.handle(source, args), written: () => writing.resolve(undefined) };
}

test.each([true, false])('a hold (%s) is acknowledged once it is stored', async (onHold) => {
  const { replies, handled, written } = toggling({ onHold });
  // Later than a reply that waits for nothing.
  await toggling({ audio: false }).handled;
  expect(replies).toEqual([]);
  written();
  await handled;
  expect(replies).toEqual([{ ok: true, data: null }]);
});

test('muting is acknowledged without waiting for the store', async () => {
  const { replies, handled } = toggling({ audio: false });
  await handled;
  expect(replies).toEqual([{ ok: true, data: null }]);
});
