import { expect, test } from 'vitest';
import { servePlayground, usePlayground } from './playground.ts';

const startPlayground = usePlayground();

test('npm start prints the address; a port in use is an error with advice', async () => {
  const { server } = await startPlayground();
  expect(server.printed).toContain(`lumen-comm listening on ${server.url}`);
  const { port } = new URL(server.url);
  await expect(servePlayground({ DATABASE: ':memory:', PORT: port })).rejects.toThrow(
    `Port ${port} is in use. Stop the other process, or choose another port: PORT=${Number(port) + 1} npm start`,
  );
});

test('SIGINT exits with 0', async () => {
  const server = await servePlayground({ DATABASE: ':memory:' });
  expect(await server.end('SIGINT')).toBe(0);
});

test('the server exits when npm is killed', async () => {
  // Two commands: with a single one the shell would replace itself by the process.
  const server = await servePlayground(
    { DATABASE: ':memory:', npm_lifecycle_event: 'start' },
    { command: '"$0" "$@"; exit 1' },
  );
  await server.end('SIGTERM');
  await expect(fetch(server.url)).rejects.toThrow('fetch failed');
});

test('the page loads no external resources, and no file outside of it is served', async () => {
  const { server } = await startPlayground();
  const page = await fetch(server.url);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(await page.text()).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  for (const path of ['/../serve.ts', '/%2e%2e/serve.ts', '/..%2f..%2fpackage.json', '/nothing', '/assets/']) {
    const { status } = await fetch(`${server.url}${path}`);
    expect([path, status]).toEqual([path, 404]);
  }
});
