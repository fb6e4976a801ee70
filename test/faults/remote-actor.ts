import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { deferred, type Deferred } from '../../src/lib/deferred.ts';
import type { ActorAnswer, ActorCommand, ActorPlan, ActorReport } from './report.ts';

/** The handle of an actor in a child process. Requests pending when it is killed are never answered. */
export class RemoteActor {
  readonly #plan: ActorPlan;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Deferred<ActorAnswer>>();
  #number = 0;
  #killed = false;

  constructor(plan: ActorPlan) {
    this.#plan = plan;
    const file = fileURLToPath(new URL('actor-child.ts', import.meta.url));
    this.#child = fork(file, [], { execArgv: ['--disable-warning=ExperimentalWarning'] });
    this.#child.on('message', (answer: ActorAnswer) => {
      this.#waiting.get(answer.number)?.resolve(answer);
      this.#waiting.delete(answer.number);
    });
    this.#child.on('exit', (code, signal) => {
      if (this.#killed) return;
      for (const each of this.#waiting.values()) each.reject(new Error(`The actor ended: ${String(code ?? signal)}`));
    });
  }

  async start(): Promise<void> {
    await this.#ask({ do: 'start', plan: this.#plan });
  }

  async keep(): Promise<void> {
    await this.#ask({ do: 'keep' });
  }

  async work(operations: number): Promise<void> {
    await this.#ask({ do: 'work', operations });
  }

  async settled(): Promise<void> {
    await this.#ask({ do: 'settled' });
  }

  async heal(): Promise<void> {
    await this.#ask({ do: 'heal' });
  }

  async readAll(): Promise<void> {
    await this.#ask({ do: 'read-all' });
  }

  async report(): Promise<ActorReport> {
    const { report } = await this.#ask({ do: 'report' });
    if (report === undefined) throw new Error('No report');
    return report;
  }

  async stop(): Promise<void> {
    await this.#ask({ do: 'stop' });
    await this.kill();
  }

  /** Kills the process without closing anything. */
  async kill(): Promise<void> {
    this.#killed = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  async #ask(command: ActorCommand): Promise<ActorAnswer> {
    this.#number += 1;
    const answer = deferred<ActorAnswer>();
    this.#waiting.set(this.#number, answer);
    this.#child.send({ number: this.#number, command });
    const { error, ...rest } = await answer.promise;
    if (error !== undefined) throw new Error(error);
    return rest;
  }
}
