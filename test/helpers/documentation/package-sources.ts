import path from 'node:path';

const source = path.resolve(import.meta.dirname, '../../../src');

/** The source folders of the two packages. An export `./name` is built from `name/index.ts` in its folder. */
const FOLDERS: ReadonlyMap<string, string> = new Map([
  ['lumen-comm', source],
  ['lumen-comm-server', path.join(source, 'server')],
]);

/** Returns the source file behind an import of one of the packages; `undefined` for any other specifier. */
export function sourceOf(specifier: string): string | undefined {
  const [name = '', ...subpath] = specifier.split('/');
  const folder = FOLDERS.get(name);
  return folder && path.join(folder, ...subpath, 'index.ts');
}
