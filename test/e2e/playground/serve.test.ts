import { expect, test } from 'vitest';
import { servePlayground, usePlayground } from './playground.ts';

const startPlayground = usePlayground();

test('it says where it listens, and a port that is taken is an error that says what to do', async () => {
  const { server } = await startPlayground();
  expect(server.printed).toContain(`lumen-comm listening on ${server.url}`);
  const { port } = new URL(server.url);
  await expect(servePlayground({ DATABASE: ':memory:', PORT: port })).rejects.toThrow(
    `Port ${port} is taken. Stop what runs there, or choose another one: PORT=${Number(port) + 1} npm start`,
  );
});

test('an interrupt ends it cleanly', async () => {
  const server = await servePlayground({ DATABASE: ':memory:' });
  expect(await server.end('SIGINT')).toBe(0);
});

test('it ends with npm, whose shell passes no signal on', async () => {
  // More than one command, or a shell would become what it is to start.
  const server = await servePlayground({ DATABASE: ':memory:', npm_lifecycle_event: 'start' }, '"$0" "$@"; exit 1');
  await server.end('SIGTERM');
  await expect(fetch(server.url)).rejects.toThrow('fetch failed');
});

test('the page needs nothing from elsewhere, and nothing outside of it is served', async () => {
  const { server } = await startPlayground();
  const page = await fetch(server.url);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(await page.text()).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  for (const path of ['/../serve.ts', '/%2e%2e/serve.ts', '/..%2f..%2fpackage.json', '/nothing', '/assets/']) {
    const { status } = await fetch(`${server.url}${path}`);
    expect([path, status]).toEqual([path, 404]);
  }
});
