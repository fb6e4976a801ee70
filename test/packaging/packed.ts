import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../..');

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, whatever its exit code. */
export function run(command: string, args: readonly string[], cwd: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd, timeout: 120_000, maxBuffer: 64_000_000 }, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr });
      else reject(new Error(`${command} ${args.join(' ')}: ${error.message}\n${stderr}`, { cause: error }));
    });
  });
}

async function succeed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, cwd);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

interface Manifest {
  exports: Record<string, string | { types: string; browser?: null; default?: string; node?: string }>;
}

const { exports } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as Manifest;
const codeExports = Object.entries(exports).flatMap(([subpath, target]) =>
  typeof target === 'string' ? [] : [{ name: subpath.replace('.', 'lumen-comm'), inBrowser: target.browser !== null }],
);

/** Every import an app can write, from `exports`: one that is added later is covered without a change here. */
export const ALL_IMPORTS: readonly string[] = codeExports.map(({ name }) => name);
export const BROWSER_IMPORTS: readonly string[] = codeExports.filter((each) => each.inBrowser).map(({ name }) => name);
export const REFUSED_IN_BROWSERS = ALL_IMPORTS.filter((name) => !BROWSER_IMPORTS.includes(name));
/** These need the database that Node has since 22.13. */
const SERVER_IMPORTS = new Set(['lumen-comm/server', 'lumen-comm/testing']);
export const CLIENT_IMPORTS = ALL_IMPORTS.filter((name) => !SERVER_IMPORTS.has(name));

export interface Project {
  /** An app with nothing but the packed package in it. */
  readonly folder: string;
  readonly packedFiles: readonly string[];
  write(file: string, text: string): Promise<string>;
  dispose(): Promise<void>;
}

/** Packs what `dist` holds now and installs the tarball in an empty project. */
export async function installPacked(): Promise<Project> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lumen-comm-packed-'));
  const packed = await succeed('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root);
  const [tarball] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
  await succeed('npm', ['install', ...quiet, `./${tarball.filename}`], folder);
  return {
    folder,
    packedFiles: tarball.files.map((file) => file.path),
    async write(file, text) {
      const target = path.join(folder, file);
      await mkdir(path.dirname(target), { recursive: true });
      await writeFile(target, text);
      return target;
    },
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Lends the app the types of Node, as a server's project has them. */
export async function lendNodeTypes({ folder }: Project): Promise<void> {
  const types = path.join(folder, 'node_modules/@types');
  await mkdir(types, { recursive: true });
  if (!(await readdir(types)).includes('node')) {
    await symlink(path.join(root, 'node_modules/@types/node'), path.join(types, 'node'), 'dir');
  }
}

/** Another Node on this machine, than the one that runs the tests: the oldest that clients are promised to run on. */
export async function olderNode(): Promise<{ file: string; version: string } | undefined> {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((each) => !each.includes('node_modules'));
  for (const folder of folders) {
    const file = path.join(folder, 'node');
    const version = await run(file, ['--version'], root).then(
      ({ stdout }) => stdout.trim(),
      () => '',
    );
    const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
    if (major > 20 ? major < 24 : major === 20 && minor >= 19) return { file, version };
  }
  return undefined;
}
