/**
 * Serves the server and the playground on one port. `serve.ts` and `scripts/cluster.ts` start it as a child process, which can be
 * killed and restarted. It sends its address to the parent, and exits when the parent asks for it or exits.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createCommServer, type CommServer } from 'lumen-comm-server';
import { isModeration, moderate } from './moderation.ts';

/** Messages to the parent process, `serve.ts`. */
export type Note =
  | { type: 'listening'; url: string }
  /** @property process - the one to kill, if it isn't the sender */
  | { type: 'kill'; process: string | undefined };

const page = path.join(import.meta.dirname, 'dist');
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Allows only resources of this origin, and no inline scripts. */
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** Delay before the kill, so that the response is sent first. */
const KILL_DELAY_MS = 50;

let running: CommServer | undefined;

async function serve(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === '/playground/kill' && request.method === 'POST') {
    return kill(request, searchParams.get('process') ?? undefined);
  }
  if (isModeration(request))
    return running === undefined ? text(503, 'Starting') : await moderate(request, running.api);
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
        // The service worker recognizes the playground by this header.
        'x-lumen-comm-playground': '1',
      },
    });
  } catch {
    return text(404, 'Not found');
  }
}

/** Kills a server process. Accepts only requests of its own page on a loopback host, which protects against DNS rebinding. */
function kill(request: Request, name: string | undefined): Response {
  if (process.env['NODE_ENV'] === 'production') return text(404, 'Not found');
  const origin = URL.parse(request.headers.get('origin') ?? '');
  const isOwn = origin !== null && origin.host === request.headers.get('host');
  if (!isOwn || !['127.0.0.1', 'localhost', '[::1]'].includes(origin.hostname)) return text(403, 'Forbidden');
  setTimeout(() => notify({ type: 'kill', process: name }), KILL_DELAY_MS);
  return text(202, 'The server is killed and restarts');
}

function text(status: number, body: string): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } });
}

function notify(note: Note): void {
  process.send?.(note);
}

function portFrom(given: string | undefined): number {
  const port = Number(given ?? 3000);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`PORT is ${given}, which is not a port. Use a number from 0 to 65535.`);
}

/** Returns an error message with advice for a failed start. */
function explain(error: unknown): string {
  const { code, port, message } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE') {
    return `Port ${port} is in use. Stop the other process, or choose another port: PORT=${(port ?? 3000) + 1} npm start`;
  }
  if (code === 'EACCES')
    return `This user has no permission to listen on port ${port}. Choose a port from 1024 on: PORT=3000 npm start`;
  return message;
}

async function start(): Promise<CommServer> {
  if (!existsSync(path.join(page, 'index.html'))) throw new Error('The page is not built: npm run playground:build');
  const ring = process.env['RING_TIMEOUT_MS'];
  const database = process.env['DATABASE'] ?? path.join(import.meta.dirname, '../playground.sqlite');
  return await createCommServer({
    port: portFrom(process.env['PORT']),
    host: process.env['HOST'] ?? '127.0.0.1',
    database,
    redis: process.env['REDIS'],
    processName: process.env['PROCESS_NAME'],
    files: process.env['FILES'] ?? database.replace(/(?:\.sqlite)?$/, '-files'),
    fetch: serve,
    config: { linkPreviews: true, ...(ring !== undefined && { ringTimeoutMs: Number(ring) }) },
  });
}

// Ctrl+C signals all processes of the terminal; serve.ts asks this one to exit.
process.on('SIGINT', () => undefined);
try {
  const server = (running = await start());
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
  notify({ type: 'listening', url: server.url });
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}
