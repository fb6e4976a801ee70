import { expect, test } from 'vitest';
import {
  composer,
  watchForText,
  message,
  openChat,
  reaches,
  say,
  shows,
  showsStatus,
  usePlayground,
} from './playground.ts';

const startPlayground = usePlayground();

test('a message changes from sent to delivered to read when the recipient connects and opens the chat', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  const row = bob.getByRole('list', { name: 'Chats' }).getByRole('button', { name: 'Alice' });
  await row.waitFor();
  await bob.context().setOffline(true);
  await bob.getByText('You are offline.').waitFor();
  await say(alice, 'Are you there?');
  await showsStatus(alice, 'Are you there?', 'Sent');

  await bob.context().setOffline(false);
  await showsStatus(alice, 'Are you there?', 'Delivered');
  await row.getByText('1 unread message').waitFor({ state: 'attached' });
  await expect.poll(() => bob.title()).toBe('(1) Bob · lumen-comm');

  await row.click();
  await reaches(alice, 'Are you there?', 'Read');
  await row.getByText('unread message').waitFor({ state: 'detached' });
  await expect.poll(() => bob.title()).toBe('Alice · lumen-comm');
});

test('typing, presence and messages appear at once in both windows', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await openChat(bob, 'Alice');
  await alice.locator('.pane-header').getByText('Online').waitFor();

  const typing = await Promise.all([
    watchForText(alice.locator('.typing-line'), 'Bob is typing…'),
    watchForText(alice.getByRole('list', { name: 'Chats' }), 'typing…'),
  ]);
  await composer(bob).pressSequentially('Hel');
  for (const seen of typing) await seen();
  await composer(bob).pressSequentially('lo');
  await bob.keyboard.press('Enter');
  await message(alice, 'Hello').waitFor();
  await expect.poll(() => alice.getByText('Bob is typing…').count()).toBe(0);

  await say(alice, 'Hello Bob');
  await shows(alice, ['Hello', 'Hello Bob']);
  await shows(bob, ['Hello', 'Hello Bob']);
  await reaches(alice, 'Hello Bob', 'Read');
});

test('a chosen presence status is shown to the other user', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await bob.getByRole('button', { name: /^You are Bob/ }).click();
  await bob.getByRole('menuitemradio', { name: 'Busy' }).click();
  await alice.locator('.pane-header').getByText('Busy').waitFor();
});

test('user input is never rendered as markup', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  const hostile = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
  await say(alice, hostile);
  await openChat(bob, 'Alice');
  await shows(bob, [hostile]);
  expect(await bob.locator('.message-content :is(img, script)').count()).toBe(0);
  await expect.poll(() => bob.title()).toBe('Alice · lumen-comm');
});

test('only http and https URLs become links', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'Look: https://example.com/a?b=1. Not javascript:alert(1)');
  const links = message(alice, 'Look').getByRole('link');
  await expect.poll(() => links.count()).toBe(1);
  expect(await links.getAttribute('href')).toBe('https://example.com/a?b=1');
});

test('a rejected message stays visible with the reason until it is discarded', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'x'.repeat(10_001));
  await say(alice, 'short enough');
  await reaches(alice, 'short enough', 'Sent');
  await alice.getByText('Not sent: the message is too long').waitFor();
  await alice.getByRole('button', { name: 'Discard' }).click();
  await shows(alice, ['short enough']);
});
