import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { connected, crash, useTestBed, type TestBed } from './browser.ts';

const startTestBed = useTestBed();

/** Opens a page of each user in a browser of its own. */
async function people<const Users extends readonly string[]>(
  users: Users,
  more = '',
  callReconnectMs = 600_000,
): Promise<{ testBed: TestBed; pages: { -readonly [K in keyof Users]: Page } }> {
  // Only a hang-up ends a call, unless the test says otherwise: slow steps follow while a call rings.
  const testBed = await startTestBed({
    config: { callReconnectMs, presenceGraceMs: 0, ringTimeoutMs: 600_000 },
  });
  const pages = await Promise.all(
    users.map(async (user) => testBed.open(await testBed.device(), { address: `user=${user}${more}` })),
  );
  await Promise.all(pages.map((page) => connected(page)));
  return { testBed, pages: pages as { -readonly [K in keyof Users]: Page } };
}

/** Alice and Bob, who answers automatically. */
async function two(more = '', callReconnectMs?: number) {
  const { testBed, pages } = await people(['alice', 'bob'], more, callReconnectMs);
  const [alice, bob] = pages;
  await bob.evaluate(() => {
    chat.client.on('call', (call) => void call.accept());
  });
  const conversationId = await alice.evaluate(() => chat.create(['bob'], 'group'));
  return { testBed, alice, bob, conversationId };
}

/** Plays the first remote stream in the page and returns how many frames of it were decoded. */
function frames(page: Page, which: 'remoteStreams' | 'remoteScreens' = 'remoteStreams'): Promise<number> {
  return page.evaluate(async (name) => {
    const stream = [...(chat.client.calls.active?.getSnapshot()[name].values() ?? [])][0];
    if (stream === undefined) return 0;
    const found = document.querySelector<HTMLVideoElement>(`video.${name}`);
    const video = found ?? document.body.appendChild(document.createElement('video'));
    video.className = name;
    if (video.srcObject !== stream) video.srcObject = stream;
    await video.play().catch(() => undefined);
    return video.getVideoPlaybackQuality().totalVideoFrames;
  }, which);
}

/** Waits until the remote video of a page plays. The count of frames starts again with another stream. */
async function moves(page: Page): Promise<void> {
  let least = Infinity;
  await expect
    .poll(async () => {
      const now = await frames(page);
      least = Math.min(least, now);
      return now - least;
    })
    .toBeGreaterThan(5);
}

/** Waits until a page has detected that its connection was cut, and has reconnected. */
async function reconnected(page: Page): Promise<void> {
  await page.waitForFunction(() => chat.statuses.includes('reconnecting') && chat.client.status === 'connected');
}

const state = (page: Page): Promise<string | undefined> => page.evaluate(() => chat.client.calls.active?.state);

test('two browsers exchange video, share a screen, keep the call while the socket reconnects, and hang up', async () => {
  const { testBed, alice, bob, conversationId } = await two();
  await alice.evaluate((id) => {
    void chat.client.calls.start({ conversationId: id, type: 'video', calleeIds: ['bob'] });
  }, conversationId);
  for (const page of [alice, bob]) {
    await expect.poll(() => state(page)).toBe('connected');
    await expect.poll(() => frames(page)).toBeGreaterThan(5);
  }
  await alice.evaluate(() => chat.client.calls.active?.shareScreen());
  await expect.poll(() => frames(bob, 'remoteScreens')).toBeGreaterThan(2);
  await alice.evaluate(() => chat.client.calls.active?.stopScreenShare());
  await expect.poll(() => bob.evaluate(() => chat.client.calls.active?.getSnapshot().remoteScreens.size)).toBe(0);
  testBed.proxy.cut();
  await Promise.all([alice, bob].map(reconnected));
  await expect.poll(async () => [await state(alice), await state(bob)]).toEqual(['connected', 'connected']);
  await alice.evaluate(() => chat.client.calls.active?.setVideo(false));
  await expect
    .poll(() => bob.evaluate(() => chat.client.calls.active?.participants.map(({ videoMuted }) => videoMuted)))
    .toEqual([true, false]);
  await alice.evaluate(() => chat.client.calls.active?.hangup());
  for (const page of [alice, bob]) await expect.poll(() => state(page)).toBeUndefined();
});

test('two browsers with encryption exchange encrypted frames, and both report the call as encrypted', async () => {
  const { alice, bob, conversationId } = await two('&sealed');
  for (const page of [alice, bob]) await page.evaluate(() => chat.client.encryption.ready);
  await alice.evaluate((id) => {
    void chat.client.calls.start({ conversationId: id, type: 'video', calleeIds: ['bob'] });
  }, conversationId);
  for (const page of [alice, bob]) {
    await expect.poll(() => state(page)).toBe('connected');
    await expect.poll(() => frames(page)).toBeGreaterThan(5);
    await expect.poll(() => page.evaluate(() => chat.client.calls.active?.getSnapshot().encrypted)).toBe(true);
    expect(await page.evaluate(() => chat.errors)).toEqual([]);
  }
  await alice.evaluate(() => chat.client.calls.active?.hangup());
  for (const page of [alice, bob]) await expect.poll(() => state(page)).toBeUndefined();
});

test('navigating away cancels a call that rings', async () => {
  const { testBed, pages } = await people(['alice', 'carol']);
  const [alice, carol] = pages;
  const group = await alice.evaluate(() => chat.create(['carol'], 'group'));
  await alice.evaluate((id) => {
    void chat.client.calls.start({ conversationId: id, type: 'audio', calleeIds: ['carol'] });
  }, group);
  await expect.poll(() => state(carol)).toBe('ringing');
  // Navigates within the origin: a closed page has only half a second for its last requests.
  await alice.goto(`${testBed.proxy.url}/?idle`);
  await expect.poll(() => state(carol)).toBeUndefined();
});

test('a page that is reloaded during a call joins it again, and both exchange video', async () => {
  const { alice, bob, conversationId } = await two();
  await alice.evaluate((id) => {
    void chat.client.calls.start({ conversationId: id, type: 'video', calleeIds: ['bob'] });
  }, conversationId);
  await expect.poll(() => state(alice)).toBe('connected');
  const before = await bob.evaluate(() => chat.client.calls.active?.id);
  await alice.reload();
  await connected(alice);
  await alice.evaluate(async (id) => {
    await chat.client.calls.join(id, { audio: true, video: true });
  }, conversationId);
  for (const page of [alice, bob]) {
    await expect.poll(() => state(page)).toBe('connected');
    await moves(page);
    expect(await page.evaluate(() => chat.client.calls.active?.id)).toBe(before);
  }
  await alice.evaluate(() => chat.client.calls.active?.hangup());
  await expect.poll(() => state(bob)).toBeUndefined();
});

test('a call takes over the previews of both sides, and devices can be switched and turned off and on in it', async () => {
  const { pages } = await people(['alice', 'bob']);
  const [alice, bob] = pages;
  await bob.evaluate(() => {
    chat.client.on('call', (call) => {
      void chat.client.calls.preview().then((preview) => call.accept({ preview }));
    });
  });
  const conversationId = await alice.evaluate(() => chat.create(['bob'], 'group'));
  const before = await alice.evaluate(async (id) => {
    const preview = await chat.client.calls.preview();
    await preview.setAudio(false);
    const { stream } = preview.getSnapshot();
    const call = await chat.client.calls.start({ conversationId: id, type: 'video', calleeIds: ['bob'], preview });
    return { isSame: call.localStream === stream, ended: preview.getSnapshot().ended };
  }, conversationId);
  expect(before).toEqual({ isSame: true, ended: true });
  for (const page of [alice, bob]) {
    await expect.poll(() => state(page)).toBe('connected');
    await expect.poll(() => frames(page)).toBeGreaterThan(5);
  }
  await expect
    .poll(() => bob.evaluate(() => chat.client.calls.active?.participants.map(({ audioMuted }) => audioMuted)))
    .toEqual([true, false]);
  await alice.evaluate(async () => {
    const call = chat.client.calls.active;
    await call?.setAudio(true);
    await call?.setVideo(false);
    await call?.setVideo(true);
    const cameras = (await chat.client.calls.devices()).filter(({ kind }) => kind === 'videoinput');
    await call?.switchDevice('videoinput', cameras.at(-1)?.deviceId ?? '');
  });
  await expect
    .poll(() => bob.evaluate(() => chat.client.calls.active?.participants.map(({ audioMuted }) => audioMuted)))
    .toEqual([false, false]);
  await alice.evaluate(() => chat.client.calls.active?.hangup());
  for (const page of [alice, bob]) await expect.poll(() => state(page)).toBeUndefined();
});

test('a callee puts a call on hold to accept another one, and swaps them: media flows in the active one only', async () => {
  const { pages } = await people(['alice', 'bob', 'carol']);
  const [alice, bob, carol] = pages;
  await bob.evaluate(() => {
    chat.client.on('call', (call) => {
      const current = chat.client.calls.all.find((other) => other !== call);
      void Promise.resolve(current?.setHold(true)).then(() => call.accept());
    });
  });
  const callBob = (page: Page): Promise<void> =>
    page.evaluate(async () => {
      const conversationId = await chat.create(['bob'], 'call');
      void chat.client.calls.start({ conversationId, type: 'video', calleeIds: ['bob'] });
    });
  await callBob(alice);
  await expect.poll(() => frames(alice)).toBeGreaterThan(5);
  await callBob(carol);
  /** What each of Bob's calls is: who the other one is, and whether it is on hold. */
  const calls = (): Promise<[string | undefined, boolean][]> =>
    bob.evaluate(() =>
      chat.client.calls.all.map((call) => {
        const other = call.participants.find(({ userId }) => userId !== 'bob');
        return [other?.userId, call.getSnapshot().onHold];
      }),
    );
  /** Whether a page sees that Bob has put its call on hold. */
  const isHeld = (page: Page): Promise<boolean | undefined> =>
    page.evaluate(() => chat.client.calls.active?.participants.find(({ userId }) => userId === 'bob')?.onHold === true);
  for (const [active, held, expected] of [
    [carol, alice, 'carol'],
    [alice, carol, 'alice'],
  ] as const) {
    await expect.poll(calls).toEqual([
      [expected, false],
      [expected === 'carol' ? 'alice' : 'carol', true],
    ]);
    await expect.poll(() => isHeld(held)).toBe(true);
    await expect.poll(() => isHeld(active)).toBe(false);
    await expect.poll(() => state(held)).toBe('connected');
    await moves(active);
    await moves(bob);
    if (expected === 'carol') await bob.evaluate(() => chat.client.calls.all[1]?.setHold(false));
  }
  for (const page of [alice, carol]) await page.evaluate(() => chat.client.calls.active?.hangup());
  await expect.poll(() => bob.evaluate(() => chat.client.calls.all.length)).toBe(0);
});

test.each(['caller', 'callee'])(
  'the %s whose page crashes joins the call again, and both exchange video',
  async (who) => {
    const { testBed, alice, bob, conversationId } = await two();
    await alice.evaluate((id) => {
      void chat.client.calls.start({ conversationId: id, type: 'video', calleeIds: ['bob'] });
    }, conversationId);
    for (const page of [alice, bob]) await expect.poll(() => state(page)).toBe('connected');
    const [crashed, other, user] = who === 'caller' ? ([alice, bob, 'alice'] as const) : ([bob, alice, 'bob'] as const);
    const id = await other.evaluate(() => chat.client.calls.active?.id);
    const device = crashed.context();
    await crash(crashed);
    const again = await testBed.open(device, { address: `user=${user}` });
    await connected(again);
    await again.evaluate(async (conversation) => {
      await chat.client.calls.join(conversation, { audio: true, video: true });
    }, conversationId);
    for (const page of [again, other]) {
      await expect.poll(() => state(page)).toBe('connected');
      await moves(page);
      expect(await page.evaluate(() => chat.client.calls.active?.id)).toBe(id);
    }
    await again.evaluate(() => chat.client.calls.active?.hangup());
    await expect.poll(() => state(other)).toBeUndefined();
  },
);

test('a call ends for the other participant when a page that crashed does not return', async () => {
  const { alice, bob, conversationId } = await two('', 5_000);
  await alice.evaluate((id) => {
    void chat.client.calls.start({ conversationId: id, type: 'video', calleeIds: ['bob'] });
  }, conversationId);
  for (const page of [alice, bob]) await expect.poll(() => state(page)).toBe('connected');
  const ended = await alice.evaluateHandle(() => ({ reason: chat.client.calls.active?.ended }));
  await crash(bob);
  expect(await ended.evaluate(({ reason }) => reason)).toBe('completed');
});

test('a call whose caller has crashed while it rang ends as cancelled after it is accepted', async () => {
  const { pages } = await people(['alice', 'carol']);
  const [alice, carol] = pages;
  const group = await alice.evaluate(() => chat.create(['carol'], 'group'));
  await alice.evaluate((id) => {
    void chat.client.calls.start({ conversationId: id, type: 'audio', calleeIds: ['carol'] });
  }, group);
  await expect.poll(() => state(carol)).toBe('ringing');
  await carol.evaluate(() => {
    chat.client.presence.watch(['alice']);
  });
  await expect.poll(() => carol.evaluate(() => chat.client.presence.get('alice')?.status)).toBe('online');
  await crash(alice);
  // Before the server has noticed, it takes the caller for a participant, who has longer to return.
  await expect.poll(() => carol.evaluate(() => chat.client.presence.get('alice')?.status)).toBe('offline');
  const outcome = await carol.evaluate(async () => {
    const call = chat.client.calls.active;
    await call?.accept();
    return await call?.ended;
  });
  expect(outcome).toBe('cancelled');
});
