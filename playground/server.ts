/**
 * The server and the playground on one port. `serve.ts` runs it as a process of its own, so that it can be killed, and
 * is told where it listens; it ends when it is told to, or when nobody is there any more who could.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createCommServer, type CommServer } from 'lumen-comm/server';

/** What the process says to `serve.ts`. */
export type Note = { type: 'listening'; url: string } | { type: 'kill-me' };

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

/** Long enough for the answer to leave first. */
const LAST_WORDS_MS = 50;

async function serve(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === '/playground/kill' && request.method === 'POST') return kill(request);
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'Method not allowed');
  const file = path.join(page, pathname === '/' ? 'index.html' : pathname);
  const type = TYPES[path.extname(file)];
  if (type === undefined || !file.startsWith(page + path.sep)) return text(404, 'Not found');
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
    return text(404, 'Not found');
  }
}

/** The page itself may ask for it, under a name of this machine: not a page elsewhere, whatever its name resolves to. */
function kill(request: Request): Response {
  const origin = URL.parse(request.headers.get('origin') ?? '');
  const isOwn = origin !== null && origin.host === request.headers.get('host');
  if (!isOwn || !['127.0.0.1', 'localhost', '[::1]'].includes(origin.hostname)) return text(403, 'Forbidden');
  setTimeout(() => tell({ type: 'kill-me' }), LAST_WORDS_MS);
  return text(202, 'It dies now and comes back');
}

function text(status: number, words: string): Response {
  return new Response(words, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } });
}

function tell(note: Note): void {
  process.send?.(note);
}

function portFrom(given: string | undefined): number {
  const port = Number(given ?? 3000);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`PORT is ${given}, which is no port. Give a number from 0 to 65535.`);
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
  return await createCommServer({
    port: portFrom(process.env['PORT']),
    host: process.env['HOST'] ?? '127.0.0.1',
    database: process.env['DATABASE'] ?? path.join(import.meta.dirname, '../playground.sqlite'),
    fetch: serve,
  });
}

// Ctrl+C reaches every process of a terminal; serve.ts says in time what follows from it.
process.on('SIGINT', () => undefined);
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
  process.once('message', end);
  process.once('disconnect', end);
  if (!process.connected) end();
  tell({ type: 'listening', url: server.url });
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}
