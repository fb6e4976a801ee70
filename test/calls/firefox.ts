import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Enables fake devices without prompts, and loopback candidates. */
const PREFERENCES: Readonly<Record<string, boolean | number | string>> = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'app.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

interface Answer {
  readonly id?: number;
  readonly type: string;
  readonly result?: Record<string, unknown>;
  readonly message?: string;
}

/** Firefox, controlled by WebDriver BiDi (W3C). */
export class Firefox implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #socket: WebSocket;
  readonly #profile: string;
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  #id = 0;

  private constructor(process: ChildProcess, socket: WebSocket, profile: string) {
    this.#process = process;
    this.#socket = socket;
    this.#profile = profile;
    socket.addEventListener('message', ({ data }) => {
      const { id, type, result = {}, message } = JSON.parse(String(data)) as Answer;
      const waiting = this.#waiting.get(id ?? -1);
      if (type === 'success') waiting?.resolve(result);
      else waiting?.reject(new Error(message));
    });
  }

  static async open(file: string): Promise<Firefox> {
    const profile = await mkdtemp(path.join(tmpdir(), 'lumen-comm-firefox-'));
    const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
    await writeFile(path.join(profile, 'user.js'), lines.join('\n'));
    const args = ['--headless', '--no-remote', '--remote-debugging-port=0', '--profile', profile];
    const firefox = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: profile } });
    const url = await new Promise<string>((resolve, reject) => {
      let output = '';
      firefox.once('exit', (code) => reject(new Error(`Firefox ended with ${String(code)}: ${output}`)));
      firefox.stderr.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        const found = /WebDriver BiDi listening on (ws:\S+)/.exec(output);
        if (found?.[1] !== undefined) resolve(found[1]);
      });
    });
    const socket = new WebSocket(`${url}/session`);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    });
    const browser = new Firefox(firefox, socket, profile);
    await browser.#send('session.new', { capabilities: {} });
    return browser;
  }

  async page(url: string): Promise<FirefoxPage> {
    const { context } = await this.#send('browsingContext.create', { type: 'tab' });
    await this.#send('browsingContext.navigate', { context, url, wait: 'complete' });
    return new FirefoxPage((method, params) => this.#send(method, params), String(context));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #send(method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> {
    this.#id += 1;
    const waiting = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(this.#id, waiting);
    this.#socket.send(JSON.stringify({ id: this.#id, method, params }));
    return waiting.promise;
  }
}

/** A tab of {@link Firefox}. */
export class FirefoxPage {
  readonly #send: (method: string, params: Record<string, unknown>) => Promise<Record<string, unknown>>;
  readonly #context: string;

  constructor(
    send: (method: string, params: Record<string, unknown>) => Promise<Record<string, unknown>>,
    context: string,
  ) {
    this.#send = send;
    this.#context = context;
  }

  /** Evaluates an expression in the page. Its value must be serialisable as JSON. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.#send('script.evaluate', {
      expression: `Promise.resolve(${expression}).then((value) => JSON.stringify(value ?? null))`,
      target: { context: this.#context },
      awaitPromise: true,
    });
    if (answer['type'] !== 'success') throw new Error(JSON.stringify(answer['exceptionDetails']));
    return JSON.parse((answer['result'] as { value: string }).value);
  }
}
