import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../src/lib/seeded-random.ts';
import { startServerProcess, type ServerProcess } from '../../src/server/testing/server-process.ts';
import { freePort } from '../helpers/service-process.ts';
import { readDatabase, type Stored } from './checks.ts';

/** The part of a scenario that is still going on. */
export interface Storm {
  readonly over: boolean;
}

/** The servers of a scenario, and the faults that happen to them. */
export interface ServerBed extends AsyncDisposable {
  /** Origin of a server that can be used once the faults have ended. */
  readonly url: string;
  /** Share of the actions of a scenario on SQLite. */
  readonly workload: number;
  /** Number of faults, by kind. */
  readonly figures: Readonly<Record<string, number>>;
  /** Origin that a device connects to. @param isFirst - whether it is the first device of its user */
  originOf(user: string, isFirst: boolean): string;
  /** Injects faults until the storm is over, and at least one: a fast machine may be done before the first. Ends them all. */
  injectFaults(storm: Storm, random: Random, log: (line: string) => void): Promise<void>;
  /** Reads what is stored, and checks it. */
  read(): Promise<Stored>;
}

/** Starts the servers of a scenario. @param directory - for files that are removed afterwards */
export type StartBed = (directory: string, seed: number) => Promise<ServerBed>;

/** One server on a SQLite file, which is killed and restarted. */
export const startSingleServer: StartBed = async (directory) => {
  const database = path.join(directory, 'comm.sqlite');
  return new SingleServer(await startServerProcess({ database, port: await freePort() }), database);
};

class SingleServer implements ServerBed {
  readonly workload = 1;
  readonly figures = { kills: 0 };
  readonly #server: ServerProcess;
  readonly #database: string;

  constructor(server: ServerProcess, database: string) {
    this.#server = server;
    this.#database = database;
  }

  get url(): string {
    return this.#server.url;
  }

  originOf(): string {
    return this.url;
  }

  /** Kills the server up to four times. */
  async injectFaults(storm: Storm, random: Random, log: (line: string) => void): Promise<void> {
    const kills = random.between(2, 4);
    for (let kill = 0; kill < kills; kill += 1) {
      await pause(random.between(150, 1_500));
      if (storm.over && kill > 0) return;
      await this.#server.kill();
      this.figures.kills += 1;
      log('server killed');
      await pause(random.between(0, 200));
      await this.#server.restart();
    }
  }

  read(): Promise<Stored> {
    return Promise.resolve(readDatabase(this.#database));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.kill();
  }
}
