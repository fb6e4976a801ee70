import axe from 'axe-core';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { cdp, page } from 'vitest/browser';
import { CommClient } from '../../../src/client/comm-client.ts';
import { mountDevtools, type DevtoolsOptions } from '../../../src/devtools/index.ts';
import { seededRandom } from '../../../src/lib/seeded-random.ts';
import { DEFAULT_NAMESPACE, DEFAULT_SOCKET_PATH } from '../../../src/protocol/constants.ts';
import { memoryStorage } from '../../../src/storage/memory-storage.ts';
import { faultySocket, type FaultySocket } from '../../../src/testing/faulty-socket.ts';
import { socketIoPort } from '../../../src/transport/socket-io.ts';

let run = 0;
let faults: FaultySocket;
let alice: CommClient;
let bob: CommClient;
let id: string;
let unmount: () => void;

beforeEach(async () => {
  run += 1;
  const url = inject('serverUrl');
  const port = socketIoPort({ url, namespace: DEFAULT_NAMESPACE, path: DEFAULT_SOCKET_PATH });
  faults = faultySocket(port, { seed: seededRandom(run).between(1, 1_000) });
  alice = new CommClient({ url, userId: `tools-alice-${run}`, storage: memoryStorage(), socket: faults });
  bob = new CommClient({ url, userId: `tools-bob-${run}`, storage: memoryStorage() });
  await Promise.all([alice.connect(), bob.connect()]);
  ({ id } = await bob.conversations.create({ type: 'direct', participantIds: [`tools-alice-${run}`] }));
});

afterEach(async () => {
  unmount();
  await Promise.all([alice[Symbol.asyncDispose](), bob[Symbol.asyncDispose]()]);
  document.body.replaceChildren();
  await emulate(1_280, {});
});

function mount(options: DevtoolsOptions = {}): ShadowRoot {
  const before = new Set(document.body.children);
  unmount = mountDevtools(alice, { open: true, faults, ...options });
  const host = [...document.body.children].find((each) => !before.has(each));
  if (!host?.shadowRoot) throw new Error('Not mounted');
  return host.shadowRoot;
}

function click(root: ShadowRoot, label: string): void {
  const button = [...root.querySelectorAll('button')].find(
    (each) => each.textContent === label || each.ariaLabel === label,
  );
  if (button === undefined) throw new Error(`No button ${label}`);
  button.click();
}
const textOf = (root: ShadowRoot): string => root.querySelector('.body')?.textContent ?? '';
const figure = (root: ShadowRoot, name: string): number => {
  const term = [...root.querySelectorAll('dt')].find(({ textContent }) => textContent === name);
  return Number(term?.nextElementSibling?.textContent);
};
const rowsOf = (root: ShadowRoot): string[] =>
  Array.from(root.querySelectorAll('.events li'), ({ textContent }) => textContent);

test('shows the events of a real server, newest first, filters, pauses and clears them', async () => {
  const root = mount();
  await bob.messages.send({ conversationId: id, content: 'One' });
  await expect.poll(() => rowsOf(root).some((text) => text.includes('message:new') && text.includes('One'))).toBe(true);
  const filter = root.querySelector('input');
  if (filter === null) throw new Error('No filter');
  filter.value = 'message:new';
  filter.dispatchEvent(new Event('input'));
  expect(rowsOf(root)).toHaveLength(1);
  click(root, 'Pause');
  const received = new Promise((resolve) => alice.once('message:new', resolve));
  await bob.messages.send({ conversationId: id, content: 'Two' });
  await received;
  expect(rowsOf(root)).toHaveLength(1);
  click(root, 'Resume');
  click(root, 'Clear');
  expect(textOf(root)).toContain('No events yet.');
});

test('shows the connection, cuts it, and shows that the client connects again', async () => {
  const root = mount();
  click(root, 'Connection');
  expect(textOf(root)).toContain('connected');
  click(root, 'Faults');
  const lost = new Promise((resolve) => alice.once('status', resolve));
  click(root, 'Cut connection');
  expect(await lost).toBe('reconnecting');
  await expect.poll(() => figure(root, 'Reconnects')).toBe(1);
  expect(alice.status).toBe('connected');
});

test('stalls the connection, which the client notices, and messages of that time arrive once', async () => {
  const root = mount();
  click(root, 'Faults');
  const lost = new Promise((resolve) => alice.once('status', resolve));
  click(root, 'Stall connection');
  expect(textOf(root)).toContain('no frames pass');
  const sending = alice.messages.send({ conversationId: id, content: 'Into the void' });
  await expect.poll(() => figure(root, 'Messages in the outbox')).toBe(1);
  expect(await lost).toBe('reconnecting');
  await sending;
  await expect.poll(() => figure(root, 'Reconnects')).toBe(1);
  const { messages } = await bob.messages.list({ conversationId: id });
  expect(messages.map(({ content }) => content)).toEqual(['Into the void']);
});

test.each(['drop', 'duplicate', 'delay', 'reorder'] as const)('injects the fault %s, and removes it', async (name) => {
  const root = mount();
  click(root, 'Faults');
  const slider = root.querySelector<HTMLInputElement>(`#${name}`);
  if (slider === null) throw new Error('No slider');
  slider.value = slider.max;
  slider.dispatchEvent(new Event('input'));
  expect(slider.getAttribute('aria-valuetext')).toBe('25 %');
  for (let sent = 0; sent < 200 && faults.figures[name] === 0; sent += 1) alice.typing.start(id);
  const sending = Array.from({ length: 20 }, async (_, at) =>
    alice.messages.send({ conversationId: id, content: `${at}` }),
  );
  await expect.poll(() => faults.figures[name]).toBeGreaterThan(0);
  await expect.poll(() => figure(root, 'Frames with a fault')).toBeGreaterThan(0);
  click(root, 'Remove faults');
  expect(slider.getAttribute('aria-valuetext')).toBe('off');
  await Promise.all(sending);
  const injected = faults.figures[name];
  await alice.messages.send({ conversationId: id, content: 'After' });
  expect(faults.figures[name]).toBe(injected);
  await expect.poll(() => figure(root, 'Messages stored')).toBe(21);
});

test('shows how far conversations were received, and what the server has stored', async () => {
  await alice.messages.send({ conversationId: id, content: 'Stored' });
  const root = mount({ conversation: { getSnapshot: () => id, subscribe: () => () => undefined } });
  click(root, 'Cursors');
  await expect
    .poll(() => Array.from(root.querySelectorAll('td'), ({ textContent }) => textContent))
    .toEqual([id, '1', '1']);
  click(root, 'What the server sees');
  await expect.poll(() => textOf(root)).toContain('"content": "Stored"');
});

test('shows waiting messages, which can be discarded', async () => {
  const root = mount();
  click(root, 'Connection');
  await alice.disconnect();
  const sending = alice.messages.send({ conversationId: id, content: 'Waits' });
  await expect.poll(() => textOf(root)).toContain('Waits');
  click(root, 'Discard');
  await expect(sending).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect.poll(() => textOf(root)).not.toContain('Waits');
});

test('never shows keys or tokens of a payload', async () => {
  const root = mount();
  const keys = { key: 'c2VjcmV0', prefix: 'cA', size: 1, sha256: 'aA' };
  const url = 'https://files.example/x?X-Amz-Signature=abcdef&name=cat';
  await bob.messages.send({
    conversationId: id,
    content: 'File',
    metadata: { authToken: 'tok-1', attachmentKeys: { ...keys }, link: url },
  });
  await expect.poll(() => rowsOf(root).some((text) => text.includes('File'))).toBe(true);
  for (const details of root.querySelectorAll('details')) details.open = true;
  await expect.poll(() => root.querySelectorAll('pre').length).toBeGreaterThan(0);
  for (const secret of ['c2VjcmV0', 'tok-1', 'abcdef']) expect(root.textContent).not.toContain(secret);
  expect(root.textContent).toContain('name=cat');
});

test('opens and closes by its button and by the keyboard, and moves between tabs by arrows', () => {
  const root = mount({ open: false });
  expect(root.querySelector('.drawer')).toBeNull();
  click(root, 'Developer tools');
  expect(root.activeElement?.textContent).toBe('Events');
  root.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', bubbles: true }));
  expect(root.activeElement?.textContent).toBe('Faults');
  root.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
  expect(root.querySelector('.drawer')).toBeNull();
  expect(root.activeElement?.textContent).toBe('Developer tools');
});

test('styles of the app do not reach the tools, nor those of the tools the app', () => {
  const style = document.createElement('style');
  style.textContent = '* { color: rgb(1, 2, 3) !important; font-size: 40px; } button { display: none }';
  document.body.append(style);
  const root = mount();
  const tab = root.querySelector('[role="tab"]');
  if (tab === null) throw new Error('No tab');
  const { display, fontSize } = getComputedStyle(tab);
  expect([display, fontSize]).toEqual(['block', '13.5px']);
  expect(getComputedStyle(tab).color).not.toBe('rgb(1, 2, 3)');
  style.remove();
  const button = document.body.appendChild(document.createElement('button'));
  expect(getComputedStyle(button).borderRadius).not.toBe('6px');
});

test('unmounting leaves no node, listener or timer', async () => {
  const before = document.body.childElementCount;
  const stops = new Set<string>();
  let listeners = 0;
  const on = alice.on.bind(alice);
  vi.spyOn(alice, 'on').mockImplementation((...args) => {
    listeners += 1;
    const [name, , options] = args;
    stops.add(name);
    options?.signal?.addEventListener('abort', () => (listeners -= 1));
    return on(...args);
  });
  const timers = new Set<unknown>();
  const { setInterval: set, clearInterval: clear } = globalThis;
  vi.stubGlobal('setInterval', (...args: Parameters<typeof set>) => {
    const timer: unknown = set(...args);
    timers.add(timer);
    return timer;
  });
  vi.stubGlobal('clearInterval', (timer: number) => {
    timers.delete(timer);
    clear(timer);
  });
  const root = mount();
  for (const { textContent } of root.querySelectorAll('[role="tab"]')) click(root, textContent);
  expect(listeners).toBeGreaterThan(20);
  expect(timers.size).toBe(1);
  unmount();
  unmount();
  expect([document.body.childElementCount, listeners, timers.size]).toEqual([before, 0, 0]);
  await bob.messages.send({ conversationId: id, content: 'After' });
});

/** Emulates what a user has set in their system, and the width of their window. */
async function emulate(width: number, media: Readonly<Record<string, string>>): Promise<void> {
  const features = Object.entries(media).map(([name, value]) => ({ name, value }));
  await cdp().send('Emulation.setEmulatedMedia', { features });
  await page.viewport(width, 700);
}

/** What axe finds in the tools. The page around them is the test's. */
async function axeProblems(): Promise<string[]> {
  const { violations } = await axe.run(document.body, { rules: { region: { enabled: false } } });
  return violations.flatMap(({ id: rule, nodes }) => nodes.map(({ html }) => `${rule}: ${html}`));
}

test.each([
  ['light', 1_280],
  ['dark', 1_280],
  ['light', 320],
  ['dark', 320],
] as const)('every panel is accessible, in %s colors and %i px wide', async (scheme, width) => {
  await emulate(width, { 'prefers-color-scheme': scheme });
  await alice.messages.send({ conversationId: id, content: 'Stored' });
  const root = mount({ open: false });
  expect(await axeProblems()).toEqual([]);
  click(root, 'Developer tools');
  await bob.messages.send({ conversationId: id, content: 'x'.repeat(400) });
  await expect.poll(() => rowsOf(root).length).toBeGreaterThan(0);
  for (const [tab, text] of [
    ['Events', 'message:new'],
    ['Connection', 'Guarantees of this server'],
    ['Cursors', id],
    ['What the server sees', '"content": "Stored"'],
    ['Faults', 'the frame is lost'],
  ] as const) {
    click(root, tab);
    await expect.poll(() => textOf(root)).toContain(text);
    expect(await axeProblems(), tab).toEqual([]);
    expect(document.documentElement.scrollWidth, tab).toBeLessThanOrEqual(width);
  }
});

test('with forced colors, the selected tab and the focus are outlined', async () => {
  await emulate(1_280, { 'forced-colors': 'active' });
  const root = mount();
  click(root, 'Faults');
  const outlines = Array.from(root.querySelectorAll('[role="tab"]'), (tab) => getComputedStyle(tab).outlineStyle);
  expect(outlines).toEqual(['none', 'none', 'none', 'none', 'solid']);
  const focused = root.querySelector<HTMLElement>('#delay');
  focused?.focus();
  if (focused === null) throw new Error('No slider');
  expect(getComputedStyle(focused).outlineStyle).toBe('solid');
  expect(await axeProblems()).toEqual([]);
});
