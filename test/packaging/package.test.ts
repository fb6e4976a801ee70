import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, createLogger } from 'vite';
import {
  ALL_IMPORTS,
  BROWSER_IMPORTS,
  CLIENT_IMPORTS,
  installPacked,
  lendNodeTypes,
  olderNode,
  type Project,
  REFUSED_IN_BROWSERS,
  root,
  run,
} from './packed.ts';

const older = await olderNode();
let project: Project;

beforeAll(async () => {
  project = await installPacked();
});

afterAll(() => project.dispose());

/** Imports in a process of its own, which has to end by itself: an import opens nothing. */
async function namesOf(name: string, node: string): Promise<string[]> {
  const script = `console.log(JSON.stringify(Object.keys(await import(${JSON.stringify(name)}))))`;
  const { code, stdout, stderr } = await run(node, ['--input-type=module', '--eval', script], project.folder);
  expect(stderr.replaceAll(/^.*ExperimentalWarning.*$|^\(Use `node --trace.*$/gm, '').trim()).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout) as string[];
}

test('the package holds what is built and what one reads, and nothing else', () => {
  const unexpected = project.packedFiles.filter(
    (file) => !/^(?:dist\/[\w.-]+\.(?:mjs|d\.mts|mjs\.map)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(file),
  );
  expect(unexpected).toEqual([]);
  expect(project.packedFiles).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'CHANGELOG.md']));
});

test.each(ALL_IMPORTS)('%s is imported in Node', async (name) => {
  expect(await namesOf(name, process.execPath)).not.toEqual([]);
});

describe.skipIf(older === undefined)(`on an older Node (${older?.version ?? 'none here'})`, () => {
  test.each(CLIENT_IMPORTS)('%s is imported', async (name) => {
    expect(await namesOf(name, older?.file ?? '')).not.toEqual([]);
  });
});

async function bundle(name: string): Promise<{ code: string; warnings: string[] }> {
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
      rolldownOptions: { onLog: (level, log) => void (level === 'warn' && warnings.push(log.message)) },
    },
  });
  const chunks = [built].flat().flatMap((each) => ('output' in each ? each.output : []));
  return { code: chunks.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('\n'), warnings };
}

test.each(BROWSER_IMPORTS)('%s is bundled for the browser, with nothing of Node in it', async (name) => {
  const { code, warnings } = await bundle(name);
  expect(warnings).toEqual([]);
  expect(code).not.toMatch(/__vite-browser-external|from\s*["']node:/);
  expect(code).not.toBe('');
});

// Some resolvers pass over `"browser": null` and take the next condition: there must be none that a browser has.
test.each(REFUSED_IN_BROWSERS)('%s is refused in a bundle for the browser', async (name) => {
  const refused = bundle(name).then(
    () => 'bundled',
    (error: unknown) => String(error),
  );
  expect(await refused).toContain(name.replace('lumen-comm/', './'));
});

test.each(REFUSED_IN_BROWSERS)('%s is refused where the condition "browser" is set', async (name) => {
  const { code, stderr } = await run(
    process.execPath,
    ['--conditions=browser', '--input-type=module', '--eval', `await import('${name}');`],
    project.folder,
  );
  expect(stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  expect(code).toBe(1);
});

test('the server is among what browsers are refused', () => {
  expect(REFUSED_IN_BROWSERS).toContain('lumen-comm/server');
});

test('every import shares one CommError, so that instanceof works across them', async () => {
  const script = `
    const all = await Promise.all(${JSON.stringify(ALL_IMPORTS)}.map((name) => import(name)));
    const classes = all.map((each) => each.CommError).filter((each) => each !== undefined);
    console.log(classes.length, new Set(classes).size);`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], project.folder);
  const [found = 0, different = 0] = stdout.trim().split(' ').map(Number);
  expect(found).toBeGreaterThan(1);
  expect(different).toBe(1);
});

test('npx lumen-comm --help says how the command is used', async () => {
  const { code, stdout } = await run('npx', ['--no-install', 'lumen-comm', '--help'], project.folder);
  expect(stdout).toContain('lumen-comm serve');
  expect(code).toBe(0);
});

describe.each(['bundler', 'nodenext'])('with TypeScript at its strictest, moduleResolution %s', (moduleResolution) => {
  const compile = async (title: string, names: readonly string[], types: readonly string[]): Promise<string> => {
    const source = names.map((name, index) => `import * as import${index} from '${name}';\nvoid import${index};`);
    const folder = `types-${title}-${moduleResolution}`;
    await project.write(`${folder}/app.ts`, `${source.join('\n')}\n`);
    const compilerOptions = {
      target: 'ES2022',
      // AsyncDisposable is of ESNext.Disposable, which @types/node brings along where it is there.
      lib: ['ES2022', 'ESNext.Disposable', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'],
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
  };

  test('the declarations for browsers need no types of Node', async () => {
    expect(await compile('browser', BROWSER_IMPORTS, [])).toBe('');
  });

  test('the declarations for Node hold', async () => {
    await lendNodeTypes(project);
    expect(await compile('node', ALL_IMPORTS, ['node'])).toBe('');
  });
});
