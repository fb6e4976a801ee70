/**
 * The server and the playground on one port: `npm start`.
 *
 * `PORT` (3000), `HOST` (127.0.0.1) and `DATABASE` (a file, or `:memory:`) can be set in the environment.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createCommServer, type CommServer } from 'lumen-comm/server';

const page = path.join(import.meta.dirname, 'dist');
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Everything comes from here and nothing from elsewhere; what people write can't become code. */
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

async function serve(request: Request): Promise<Response> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return new Response('Method not allowed', { status: 405 });
  const { pathname } = new URL(request.url);
  const file = path.join(page, pathname === '/' ? 'index.html' : pathname);
  const type = TYPES[path.extname(file)];
  if (type === undefined || !file.startsWith(page + path.sep)) return notFound();
  try {
    const isHashed = pathname.startsWith('/assets/');
    return new Response(await readFile(file), {
      headers: {
        'content-type': type,
        'cache-control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
        'content-security-policy': CONTENT_POLICY,
        // By this the service worker knows that the port is still the playground's.
        'x-lumen-comm-playground': '1',
      },
    });
  } catch {
    return notFound();
  }
}

function notFound(): Response {
  return new Response('Not found', { status: 404, headers: { 'content-type': 'text/plain; charset=utf-8' } });
}

function portFrom(text: string | undefined): number {
  const port = Number(text ?? 3000);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`PORT is ${text}, which is no port. Give a number from 0 to 65535.`);
}

/** What a person can do about a start that failed. */
function explain(error: unknown): string {
  const { code, port, message } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE') {
    return `Port ${port} is taken. Stop what runs there, or choose another one: PORT=${(port ?? 3000) + 1} npm start`;
  }
  if (code === 'EACCES')
    return `This user may not listen on port ${port}. Choose one from 1024 on: PORT=3000 npm start`;
  return message;
}

async function start(): Promise<CommServer> {
  if (!existsSync(path.join(page, 'index.html'))) throw new Error('The page is not built: npm run playground:build');
  const server = await createCommServer({
    port: portFrom(process.env['PORT']),
    host: process.env['HOST'] ?? '127.0.0.1',
    database: process.env['DATABASE'] ?? path.join(import.meta.dirname, '../playground.sqlite'),
    fetch: serve,
  });
  console.log(`lumen-comm listening on ${server.url}`);
  console.log(`\nOpen two windows next to each other:\n  ${server.url}/?user=alice\n  ${server.url}/?user=bob\n`);
  console.log('Ctrl+C ends it.');
  return server;
}

try {
  const server = await start();
  const end = (): void => {
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(explain(error));
        process.exit(1);
      },
    );
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}
