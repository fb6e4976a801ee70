import { existsSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../..');

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. Resolves with any exit code. */
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
  name: string;
  version: string;
  exports: Record<string, string | { types: string; browser?: string | null; default?: string; node?: string }>;
  dependencies: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

/** One of the published packages, as its manifest describes it. */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  readonly dependencies: readonly string[];
  /** Frameworks that an app may have installed. */
  readonly peers: readonly string[];
  /** Each import an app can write, from `exports`. */
  readonly imports: readonly string[];
  /** Those of them that are for browsers too: the others have a condition `browser` that refuses them. */
  readonly browserImports: readonly string[];
}

async function readPackage(folder: string): Promise<Package> {
  const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Manifest;
  const code = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
    typeof target === 'string' ? [] : [{ name: subpath.replace('.', manifest.name), target }],
  );
  return {
    name: manifest.name,
    version: manifest.version,
    folder,
    dependencies: Object.keys(manifest.dependencies),
    peers: Object.keys(manifest.peerDependencies ?? {}),
    imports: code.map(({ name }) => name),
    browserImports: code.filter(({ target }) => target.browser === undefined).map(({ name }) => name),
  };
}

/** Modules that export types and no values. */
export const TYPE_IMPORTS: ReadonlySet<string> = new Set(['lumen-comm/media']);

export const clientPackage = await readPackage(root);
export const serverPackage = await readPackage(path.join(root, 'packages/server'));

/** An app in an empty folder, with packed packages installed from their tarballs. */
export interface Project extends AsyncDisposable {
  readonly folder: string;
  /** The files in each tarball, by the name of the package. */
  readonly packedFiles: ReadonlyMap<string, readonly string[]>;
  /** The names of all installed packages, in alphabetical order. */
  installed(): Promise<string[]>;
  write(file: string, text: string): Promise<string>;
}

/** Tarballs of the packages, as npm would publish them. */
export interface Packed {
  /** The files in each tarball, by the name of the package. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  /** Returns the path of the tarball of a package. */
  tarball(name: string): string;
}

/** Packs the current builds of the packages into a folder. */
export async function pack(packages: readonly Package[], folder: string): Promise<Packed> {
  const files = new Map<string, readonly string[]>();
  const tarballs = new Map<string, string>();
  for (const { name, folder: source } of packages) {
    const packed = await succeed('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], source);
    const [tarball] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
    files.set(
      name,
      tarball.files.map((file) => file.path),
    );
    tarballs.set(name, path.join(folder, tarball.filename));
  }
  return {
    files,
    tarball(name) {
      const tarball = tarballs.get(name);
      if (tarball === undefined) throw new Error(`${name} is not packed`);
      return tarball;
    },
  };
}

/** Packs the current builds of the packages and installs their tarballs into a new project. */
export async function installPacked(packages: readonly Package[]): Promise<Project> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lumen-comm-packed-'));
  const packed = await pack(packages, folder);
  const tarballs = packages.map(({ name }) => packed.tarball(name));
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
  await succeed('npm', ['install', ...quiet, ...tarballs], folder);
  return {
    folder,
    packedFiles: packed.files,
    async installed() {
      const lock = JSON.parse(await readFile(path.join(folder, 'package-lock.json'), 'utf8')) as {
        packages: Record<string, unknown>;
      };
      const paths = Object.keys(lock.packages).filter((each) => each !== '');
      return paths.map((each) => each.slice(each.lastIndexOf('node_modules/') + 'node_modules/'.length)).toSorted();
    },
    async write(file, text) {
      const target = path.join(folder, file);
      await mkdir(path.dirname(target), { recursive: true });
      await writeFile(target, text);
      return target;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Adds packages of this repository to a project, such as the types of Node or a framework. */
export async function linkPackages({ folder }: Project, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const target = path.join(folder, 'node_modules', name);
    await mkdir(path.dirname(target), { recursive: true });
    if (!existsSync(target)) await symlink(path.join(root, 'node_modules', name), target, 'dir');
  }
}

/** Returns a Node on `PATH` that is older than the one running the tests and that both packages support. */
export async function olderNode(): Promise<{ file: string; version: string } | undefined> {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((each) => !each.includes('node_modules'));
  for (const folder of folders) {
    const file = path.join(folder, 'node');
    const version = await run(file, ['--version'], root).then(
      ({ stdout }) => stdout.trim(),
      () => '',
    );
    const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
    if (major > 22 ? major < 24 : major === 22 && minor >= 16) return { file, version };
  }
  return undefined;
}
