import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Packed } from '../packaging/packed.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

/** The environment of a user's terminal: no tools or settings of this repository or of the test runner. */
function environment(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const ours =
    /^(?:NODE_ENV|NODE_OPTIONS|VITE|VITEST|TEST|PROD|DEV|MODE|BASE_URL|npm_(?!config_(?:registry|cache|userconfig)).*)/i;
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name));
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((each) => !each.includes('node_modules'));
  return {
    ...Object.fromEntries(kept),
    // The folder of the pinned Node holds nothing else.
    PATH: [path.dirname(process.execPath), ...folders].join(path.delimiter),
    // As a Node of a distribution does, which may be the only one that the registry's certificate is known to.
    NODE_USE_SYSTEM_CA: '1',
    // The examples share packages, whose versions are exact: what npm has cached isn't asked for again.
    npm_config_prefer_offline: 'true',
    NO_COLOR: '1',
    NEXT_TELEMETRY_DISABLED: '1',
    ...more,
  };
}

/** A running program of an app. */
export interface Running extends AsyncDisposable {
  /** Resolves with the first match in the output; rejects with the output if the program ends before. */
  prints(pattern: RegExp): Promise<string>;
  /** Ends the program as Ctrl+C in its terminal does. */
  interrupt(): Promise<void>;
}

/** An app in a folder of its own outside of the repository, as its author has it. */
export interface App extends AsyncDisposable {
  readonly folder: string;
  write(file: string, text: string): Promise<void>;
  /** Runs a shell command to its end, and returns its output. Rejects if it fails. */
  run(command: string, env?: NodeJS.ProcessEnv): Promise<string>;
  /** Starts a shell command that doesn't end by itself. */
  start(command: string, env?: NodeJS.ProcessEnv): Running;
}

/** Creates an app with the files of `source`, if given, or an empty one. */
export async function createApp(source?: string): Promise<App> {
  const directory = await temporaryDirectory();
  const folder = directory.path;
  if (source !== undefined) await cp(source, folder, { recursive: true });
  const start: App['start'] = (command, env = {}) => {
    // In a process group, so that the end of the shell is also the end of what it has started.
    const child = spawn('sh', ['-c', command], {
      cwd: folder,
      env: environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const ended = once(child, 'close');
    let output = '';
    const onOutput = new Set<() => void>();
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += stripVTControlCharacters(chunk.toString());
        for (const each of onOutput) each();
      });
    }
    return {
      prints: (pattern) =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            const [found, group = found] = pattern.exec(output) ?? [];
            if (group !== undefined) resolve(group);
          };
          onOutput.add(look);
          look();
          void ended.then(() =>
            reject(new Error(`"${command}" ended before it printed ${String(pattern)}:\n${output}`)),
          );
        }),
      async interrupt() {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
        await ended;
      },
      async [Symbol.asyncDispose]() {
        if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
          process.kill(-child.pid, 'SIGKILL');
        }
        await ended;
      },
    };
  };
  return {
    folder,
    start,
    async write(file, text) {
      await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
      await writeFile(path.join(folder, file), text);
    },
    async run(command, env) {
      await using running = start(`(${command}) 2>&1; echo "ended with $?."`, env);
      const output = await running.prints(/^([\s\S]*)ended with \d+\.\n$/);
      const code = await running.prints(/ended with (\d+)\.\n$/);
      if (code !== '0') throw new Error(`"${command}" ended with ${code}\n${output}`);
      return output;
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** Puts the tarballs into the place of our packages in an `npm install`. The others come from the registry. */
export function withTarballs(command: string, packed: Packed): string {
  return command.replaceAll(/ (lumen-comm(?:-server)?)(?=\s|$)/g, (_, name: string) => ` ${packed.tarball(name)}`);
}

/** Returns the warnings of npm that are about what the app has asked for: peers, engines, conflicts. */
export function warningsOf(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => /^npm (?:warn|error)/.test(line) && !line.startsWith('npm warn deprecated'));
}
