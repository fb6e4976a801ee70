import { PLAIN_CAPABILITIES } from '../../../src/protocol/constants.ts';
import { CommError, isCommError } from '../../../src/protocol/errors.ts';
import { ConnectionManager } from '../../../src/client/connection/connection-manager.ts';
import { ConnectionReporter, type Diagnose } from '../../../src/client/connection/connection-reporter.ts';
import { diagnose, type DiagnosisOptions } from '../../../src/client/connection/diagnose.ts';
import type { Deferred } from '../../../src/lib/deferred.ts';
import { silentLogger, type LogFields } from '../../../src/lib/logger.ts';
import { systemRandom } from '../../../src/lib/random.ts';
import { TokenSource, type Token } from '../../../src/transport/token-source.ts';
import { RequestChannel } from '../../../src/transport/request-channel.ts';
import { manualClock } from '../manual-clock.ts';
import { FakeSocket, settle } from './fake-socket.ts';

/** Everything the waits between attempts can be. */
export const BACKOFF_MS = 20_000;

/** The diagnosis requests nothing: the errors of the fake socket are none of Socket.IO's. */
const OPTIONS: DiagnosisOptions = {
  url: 'http://127.0.0.1:1',
  path: '/__nk_socketio/',
  restPath: '/__nk_comm',
  namespace: '/nk/messages',
  fetch: undefined,
  clock: manualClock(),
};

interface Who {
  token?: Token;
  userId?: string;
}

/** A connection manager with fakes around it. */
export class ConnectionRig {
  readonly socket = new FakeSocket();
  readonly clock = manualClock();
  readonly log: string[] = [];
  readonly reported: unknown[] = [];
  /** The fields of the log's warnings. */
  readonly warnings: LogFields[] = [];
  reporter: ConnectionReporter | undefined;
  diagnose: Diagnose = (error, isFinal, signal) => diagnose(OPTIONS, error, isFinal, signal);
  /** The resync waits for it; `undefined`: it ends at once. */
  resyncing: Deferred<void> | undefined;
  #hasHello = false;

  start({ token, userId }: Who = {}): ConnectionManager {
    const { socket, clock, log } = this;
    const connection = new ConnectionManager({
      socket,
      channel: new RequestChannel(socket, clock, 10_000),
      tokens: new TokenSource(token),
      clock,
      random: systemRandom,
      capabilities: PLAIN_CAPABILITIES,
      userId,
      canPing: () => this.#hasHello,
      reporter: (this.reporter = new ConnectionReporter({
        clock,
        logger: { ...silentLogger, warn: (_message, fields = {}) => this.warnings.push(fields) },
        diagnose: (...failure) => this.diagnose(...failure),
        report: (error) => this.reported.push(error),
      })),
      report: (error) => {
        this.reported.push(error);
        return isCommError(error) ? error : new CommError('INTERNAL', 'Internal error', { cause: error });
      },
    });
    connection.attach({
      greeted: (hello) => {
        this.#hasHello = hello !== undefined;
        log.push(this.#hasHello ? 'hello' : 'no hello');
      },
      resync: async () => {
        log.push('resync');
        await this.resyncing?.promise;
      },
      refresh: async (isCurrent) => {
        log.push('refresh');
        await this.resyncing?.promise;
        if (isCurrent()) log.push('refreshed');
      },
      connectionLost: () => log.push('connection lost'),
      pushed: ({ event }) => log.push(`pushed ${event}`),
      statusChanged: (status) => log.push(status),
    });
    return connection;
  }

  /** Returns a manager that is connected to our server, with an empty log. */
  async connected(who?: Who): Promise<ConnectionManager> {
    const connection = this.start(who);
    const connecting = connection.connect(undefined);
    await settle();
    this.socket.open();
    this.socket.hello();
    await connecting;
    this.log.length = 0;
    return connection;
  }
}
