import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript' };

/** Answers with the files of a directory; `/files.json` lists them. */
export function serveFiles(directory: string): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/files.json') {
      const files = await readdir(directory, { recursive: true, withFileTypes: true });
      const paths = files.filter((file) => file.isFile()).map((file) => path.join(file.parentPath, file.name));
      return Response.json(paths.map((file) => file.slice(directory.length)));
    }
    const file = path.join(directory, pathname === '/' ? 'index.html' : pathname);
    const type = TYPES[path.extname(file)];
    if (type === undefined || !file.startsWith(directory + path.sep)) return new Response('Not found', { status: 404 });
    try {
      return new Response(await readFile(file), { headers: { 'content-type': type } });
    } catch {
      return new Response('Not found', { status: 404 });
    }
  };
}
