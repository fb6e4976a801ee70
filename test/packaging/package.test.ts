import { cp, readdir, readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, createLogger } from 'vite';
import {
  clientPackage,
  installPacked,
  linkPackages,
  olderNode,
  type Package,
  type Project,
  root,
  run,
  serverPackage,
  TYPE_IMPORTS,
} from './packed.ts';

/** Everything that `npm install lumen-comm` puts on the disk of an app. */
const INSTALLED_WITH_CLIENT = [
  '@noble/ciphers',
  '@noble/ed25519',
  '@noble/hashes',
  '@socket.io/component-emitter',
  'debug',
  'engine.io-client',
  'engine.io-parser',
  'idb-keyval',
  'lumen-comm',
  'ms',
  'socket.io-client',
  'socket.io-parser',
  'thumbhash',
  'tweetnacl',
  'valibot',
  'ws',
  'xmlhttprequest-ssl',
];

const older = await olderNode();
const packages = [clientPackage, serverPackage];
const projects = new Map<Package, Project>();

beforeAll(async () => {
  for (const each of packages) {
    const project = await installPacked([each]);
    projects.set(each, project);
    // The frameworks are optional: the app has them, or doesn't import their binding.
    if (each.peers.length > 0) await linkPackages(project, [...each.peers, '@types/react']);
  }
});

afterAll(async () => {
  for (const project of projects.values()) await project[Symbol.asyncDispose]();
});

function projectOf(each: Package): Project {
  const project = projects.get(each);
  if (project === undefined) throw new Error(`${each.name} is not installed`);
  return project;
}

test('installing lumen-comm installs its own dependencies only, and nothing of a server', async () => {
  expect(await projectOf(clientPackage).installed()).toEqual(INSTALLED_WITH_CLIENT);
});

test('installing lumen-comm-server installs nothing of the client', async () => {
  const installed = await projectOf(serverPackage).installed();
  expect(installed).toEqual(expect.arrayContaining(['lumen-comm-server', 'socket.io', 'kysely', 'jose']));
  expect(installed.filter((name) => INSTALLED_WITH_CLIENT.includes(name) && name.includes('client'))).toEqual([]);
  expect(installed).not.toContain('lumen-comm');
});

/** Pages that lead to source files. */
const FOR_CONTRIBUTORS: ReadonlySet<string> = new Set(['CONTRIBUTING.md', 'docs/architecture.md']);

describe.each(packages)('$name', (each) => {
  test('the tarball holds the build, the documentation, and nothing else', () => {
    const files = projectOf(each).packedFiles.get(each.name) ?? [];
    const expected =
      /^(?:dist\/[\w.-]+\.(?:mjs|d\.mts|mjs\.map)|dist\/(?:openapi|asyncapi)\.json|docs\/(?:decisions\/)?[\w-]+\.md|docs\/images\/[\w-]+\.png|package\.json|browser\.mjs|README\.md|LICENSE|CHANGELOG\.md|CONTRIBUTING\.md)$/;
    expect(files.filter((file) => !expected.test(file))).toEqual([]);
    expect(files).toEqual(expect.arrayContaining(['README.md', 'LICENSE']));
  });

  test('every relative link in its documentation leads to a file in the tarball', async () => {
    const { folder, packedFiles } = projectOf(each);
    const files = packedFiles.get(each.name) ?? [];
    const broken: string[] = [];
    for (const page of files.filter((file) => file.endsWith('.md'))) {
      const text = await readFile(path.join(folder, 'node_modules', each.name, page), 'utf8');
      for (const [, link = ''] of text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
        if (/^(?:https?|mailto):/.test(link)) continue;
        const target = path.posix.join(path.posix.dirname(page), link);
        // The README says that the sources are only in the repository.
        if (FOR_CONTRIBUTORS.has(page) && /^(?:src|test|scripts|playground|packages)\//.test(target)) continue;
        if (!files.some((file) => file === target || file.startsWith(`${target.replace(/\/$/, '')}/`))) {
          broken.push(`${page}: ${link}`);
        }
      }
    }
    expect(broken).toEqual([]);
  });

  test('its build imports exactly the packages that its manifest lists as dependencies', async () => {
    const dist = path.join(each.folder, 'dist');
    const imported = new Set<string>();
    for (const file of await readdir(dist)) {
      if (!file.endsWith('.mjs')) continue;
      const code = await readFile(path.join(dist, file), 'utf8');
      for (const [, fromStatement, specifier = fromStatement ?? ''] of code.matchAll(
        /^(?:import|export)\b[^;'"]*?["']([^"']+)["']|\b(?:import|createRequire\(import\.meta\.url\))\("([^"]+)"\)/gm,
      )) {
        const [scope = '', name = ''] = specifier.split('/');
        const isRelative = specifier === '' || specifier.startsWith('.');
        if (isRelative || specifier.startsWith('node:') || builtinModules.includes(specifier)) continue;
        imported.add(scope.startsWith('@') ? `${scope}/${name}` : scope);
      }
    }
    // Of a framework, a binding may need the types only.
    const required = [...imported].filter((name) => !each.peers.includes(name));
    expect(required.toSorted()).toEqual(each.dependencies.toSorted());
  });

  test.each(each.imports)('%s is imported in Node', async (name) => {
    const names = await namesOf(projectOf(each), name, process.execPath);
    expect(names.length === 0).toBe(TYPE_IMPORTS.has(name));
  });

  describe.skipIf(older === undefined)(`on an older Node (${older?.version ?? 'none found'})`, () => {
    test.each(each.imports)('%s is imported', async (name) => {
      const names = await namesOf(projectOf(each), name, older?.file ?? '');
      expect(names.length === 0).toBe(TYPE_IMPORTS.has(name));
    });
  });

  test('all its imports share one CommError', async () => {
    const script = `
      const all = await Promise.all(${JSON.stringify(each.imports)}.map((name) => import(name)));
      const classes = all.map(({ CommError }) => CommError).filter((each) => each !== undefined);
      console.log(classes.length > 0, new Set(classes).size);`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], projectOf(each).folder);
    expect(stdout.trim()).toBe('true 1');
  });

  const refused = each.imports.filter((name) => !each.browserImports.includes(name));

  // Some resolvers ignore `"browser": null` and take the next condition: no other condition of a browser may be listed.
  test.each(refused)('%s is refused in a bundle for browsers', async (name) => {
    const outcome = bundle(projectOf(each), name).then(
      () => 'bundled',
      (error: unknown) => String(error),
    );
    expect(await outcome).toMatch(/runs on servers only|not exported under the conditions/);
  });

  test.each(refused)('%s is refused where the condition "browser" is set', async (name) => {
    const { code, stderr } = await run(
      process.execPath,
      ['--conditions=browser', '--input-type=module', '--eval', `await import('${name}');`],
      projectOf(each).folder,
    );
    expect(stderr).toMatch(/ERR_PACKAGE_PATH_NOT_EXPORTED|runs on servers only/);
    expect(code).toBe(1);
  });

  describe.each(['bundler', 'nodenext'])('compiled strictly, with moduleResolution %s', (moduleResolution) => {
    test.skipIf(each.browserImports.length === 0)('the declarations for browsers need no types of Node', async () => {
      expect(await compile(projectOf(each), moduleResolution, each.browserImports, [])).toBe('');
    });

    test('the declarations compile with the types of Node', async () => {
      await linkPackages(projectOf(each), ['@types/node']);
      expect(await compile(projectOf(each), moduleResolution, each.imports, ['node'])).toBe('');
    });
  });
});

test.each(clientPackage.browserImports)('%s is bundled for browsers, without any module of Node', async (name) => {
  const { code, warnings } = await bundle(projectOf(clientPackage), name);
  expect(warnings).toEqual([]);
  expect(code).not.toMatch(/__vite-browser-external|from\s*["']node:/);
  expect(code === '').toBe(TYPE_IMPORTS.has(name));
});

test.each(clientPackage.browserImports)(
  'a bundle of %s contains the developer tools only if it is their import',
  async (name) => {
    const { code } = await bundle(projectOf(clientPackage), name);
    expect(code.includes('What the server sees')).toBe(name === 'lumen-comm/devtools');
  },
);

test('browsers are refused the whole server', () => {
  expect(serverPackage.browserImports).toEqual([]);
  expect(clientPackage.browserImports).toEqual(expect.arrayContaining(['lumen-comm', 'lumen-comm/testing']));
});

test('npx lumen-comm-server --help describes the command', async () => {
  const { folder } = projectOf(serverPackage);
  const { code, stdout } = await run('npx', ['--no-install', 'lumen-comm-server', '--help'], folder);
  expect(stdout).toContain('lumen-comm-server [serve]');
  expect(code).toBe(0);
});

const nodes: [name: string, file: string][] = [['this Node', process.execPath]];
if (older !== undefined) nodes.push([`an older Node (${older.version})`, older.file]);
test.each(nodes)('the server of the package serves its documents, on %s', async (_, node) => {
  const script = `
    import openapi from 'lumen-comm-server/openapi.json' with { type: 'json' };
    import { createCommunicationRoutes } from 'lumen-comm-server';
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const routes = createCommunicationRoutes({ logger });
    for (const name of ['openapi', 'asyncapi']) {
      const answer = await routes(new Request('http://comm.test/__nk_comm/' + name + '.json'));
      console.log(answer.status, (await answer.json())[name]);
    }
    console.log(openapi.openapi);
    process.exit();`;
  const { stdout, stderr } = await run(
    node,
    ['--input-type=module', '--eval', script],
    projectOf(serverPackage).folder,
  );
  expect(stdout.trim().split('\n')).toEqual(['200 3.1.0', '200 3.0.0', '3.1.0']);
  expect(stderr).not.toContain('JSON');
});

test('isCommError recognizes errors of the other package and of another copy of the package', async () => {
  const { folder } = projectOf(clientPackage);
  await cp(path.join(folder, 'node_modules/lumen-comm'), path.join(folder, 'copy/lumen-comm'), { recursive: true });
  const server = path.join(projectOf(serverPackage).folder, 'node_modules/lumen-comm-server/dist/index.mjs');
  const imports = ['lumen-comm', './copy/lumen-comm/dist/index.mjs', pathToFileURL(server).href];
  const script = `
    const all = await Promise.all(${JSON.stringify(imports)}.map((name) => import(name)));
    const errors = all.map(({ CommError }) => new CommError('INVALID', 'An error'));
    console.log(new Set(all.map(({ CommError }) => CommError)).size, all.map(({ isCommError }) => errors.every(isCommError)));
    console.log(all.map(({ isCommError }) => isCommError(new Error('Another error'))));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], folder);
  expect(stdout.trim().split('\n')).toEqual(['3 [ true, true, true ]', '[ false, false, false ]']);
});

test('both packages have the same version', () => {
  expect(serverPackage.version).toBe(clientPackage.version);
});

/** Imports in a new process. The process has to end by itself: an import opens nothing. */
async function namesOf(project: Project, name: string, node: string): Promise<string[]> {
  const script = `console.log(JSON.stringify(Object.keys(await import(${JSON.stringify(name)}))))`;
  const { code, stdout, stderr } = await run(node, ['--input-type=module', '--eval', script], project.folder);
  expect(stderr.replaceAll(/^.*ExperimentalWarning.*$|^\(Use `node --trace.*$/gm, '').trim()).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout) as string[];
}

async function bundle(project: Project, name: string): Promise<{ code: string; warnings: string[] }> {
  const entry = await project.write(`entry-${name.replaceAll('/', '-')}.js`, `export * from '${name}';`);
  const warnings: string[] = [];
  const logger = createLogger('silent');
  logger.warn = logger.warnOnce = (message) => void warnings.push(message);
  const built = await build({
    root: project.folder,
    configFile: false,
    logLevel: 'silent',
    customLogger: logger,
    build: {
      write: false,
      lib: { entry, formats: ['es'], fileName: 'bundle' },
      rolldownOptions: {
        onLog(level, { code, message }) {
          // 'use client' is for the bundlers of frameworks. Vite hides this warning too.
          if (level === 'warn' && code !== 'MODULE_LEVEL_DIRECTIVE') warnings.push(message);
        },
      },
    },
  });
  const chunks = [built].flat().flatMap((each) => ('output' in each ? each.output : []));
  return { code: chunks.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('\n'), warnings };
}

/** Compiles an app that imports all of `names`. Returns the errors. */
async function compile(
  project: Project,
  moduleResolution: string,
  names: readonly string[],
  types: readonly string[],
): Promise<string> {
  const source = names.map((name, index) => `import * as import${index} from '${name}';\nvoid import${index};`);
  const folder = `types-${moduleResolution}-${types.join('-')}`;
  await project.write(`${folder}/app.ts`, `${source.join('\n')}\n`);
  const compilerOptions = {
    target: 'ES2022',
    lib: ['ES2022', 'DOM', 'DOM.Iterable'],
    module: moduleResolution === 'bundler' ? 'ESNext' : 'NodeNext',
    moduleResolution,
    types,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
  };
  await project.write(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, files: ['app.ts'] }));
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  return (await run(process.execPath, [tsc, '-p', folder], project.folder)).stdout;
}
