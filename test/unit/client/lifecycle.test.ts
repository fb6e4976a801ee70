import { beforeEach, describe, expect, test } from 'vitest';
import { Lifecycle, type LifecyclePorts } from '../../../src/client/lifecycle.ts';
import { deferred, type Deferred } from '../../../src/lib/deferred.ts';
import { VERSION } from '../../../src/lib/version.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import { CAPABILITIES } from '../../../src/protocol/vocabulary.ts';
import { TokenSource, type Token } from '../../../src/transport/token-source.ts';
import { Wire } from '../../../src/transport/wire.ts';
import { FakeSocket, settle } from '../../helpers/client/fake-socket.ts';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.ts';

let socket: FakeSocket;
let clock: ManualClock;
let log: string[];
let reported: unknown[];
/** What catching up waits for; by default nothing. */
let catchingUp: Deferred<void> | undefined;
let isOurs: boolean;

beforeEach(() => {
  socket = new FakeSocket();
  clock = manualClock();
  log = [];
  reported = [];
  catchingUp = undefined;
  isOurs = false;
});

function start({ token, userId }: { token?: Token; userId?: string } = {}): Lifecycle {
  const ports: LifecyclePorts = {
    socket,
    wire: new Wire(socket, clock, 10_000),
    tokens: new TokenSource(token),
    clock,
    userId,
    greeted: (hello) => {
      isOurs = hello !== undefined;
      log.push(isOurs ? 'hello' : 'no hello');
    },
    catchUp: async () => {
      log.push('catch up');
      await catchingUp?.promise;
    },
    lineLost: () => log.push('line lost'),
    pushed: (event) => log.push(`pushed ${event}`),
    status: (status) => log.push(status),
    canPing: () => isOurs,
    report: (error) => reported.push(error),
  };
  return new Lifecycle(ports);
}

/** Everything the waits between attempts can be. */
const BACKOFF_MS = 20_000;

async function connected(options: { token?: Token; userId?: string } = {}): Promise<Lifecycle> {
  const lifecycle = start(options);
  const connecting = lifecycle.connect(undefined);
  await settle();
  socket.open();
  socket.hello();
  await connecting;
  log.length = 0;
  return lifecycle;
}

describe('connecting', () => {
  test('nothing happens before connect()', () => {
    const lifecycle = start();
    expect({ status: lifecycle.status, attempts: socket.attempts, pending: clock.pending }).toEqual({
      status: 'idle',
      attempts: [],
      pending: 0,
    });
  });

  test('open, hello, catch up, connected', async () => {
    const lifecycle = start({ userId: 'alice' });
    const connecting = lifecycle.connect(undefined);
    await settle();
    expect(socket.attempts).toEqual([
      { auth: { caps: CAPABILITIES, clientVersion: VERSION }, query: { userId: 'alice' } },
    ]);
    socket.open();
    socket.hello();
    await connecting;
    expect(log).toEqual(['connecting', 'hello', 'catch up', 'connected']);
    expect(clock.pending).toBe(0);
  });

  test('a token goes into the auth payload, and then no user id into the query', async () => {
    await connected({ token: () => 'secret', userId: 'alice' });
    expect(socket.attempts).toMatchObject([{ auth: { token: 'secret' }, query: {} }]);
  });

  test('a server that says no hello within a second is a base server', async () => {
    const lifecycle = start();
    const connecting = lifecycle.connect(undefined);
    await settle();
    socket.open();
    clock.advance(999);
    expect(log).toEqual(['connecting']);
    clock.advance(1);
    await connecting;
    expect(log).toEqual(['connecting', 'no hello', 'catch up', 'connected']);
  });

  test.each(['while catching up', 'after that'])(
    'a hello that comes late, %s, makes it our server after all',
    async (when) => {
      const lifecycle = start();
      if (when === 'while catching up') catchingUp = deferred();
      const connecting = lifecycle.connect(undefined);
      await settle();
      socket.open();
      clock.advance(1_000);
      await settle();
      const stale = catchingUp;
      catchingUp = undefined;
      socket.hello();
      await connecting;
      stale?.reject(new CommError('DISCONNECTED', 'what was begun as with a base server'));
      await settle();
      expect(log.slice(log.indexOf('line lost'))).toEqual([
        'line lost',
        'hello',
        ...(when === 'after that' ? ['catch up', 'reconnecting', 'connected'] : ['catch up', 'connected']),
      ]);
      expect(lifecycle.status).toBe('connected');
      expect(reported).toEqual([]);
    },
  );

  test('a second hello changes nothing', async () => {
    await connected();
    socket.hello();
    expect(log).toEqual([]);
  });

  test('connecting twice is connecting once', async () => {
    const lifecycle = start();
    const both = Promise.all([lifecycle.connect(undefined), lifecycle.connect(undefined)]);
    await settle();
    socket.open();
    socket.hello();
    await both;
    await lifecycle.connect(undefined);
    expect(socket.attempts).toHaveLength(1);
  });

  test('an abort rejects the waiting with the reason of the signal, and no attempt is made for an aborted one', async () => {
    const lifecycle = start();
    const controller = new AbortController();
    const reason = { why: 'enough' };
    const connecting = lifecycle.connect(controller.signal);
    controller.abort(reason);
    await expect(connecting).rejects.toBe(reason);
    const other = start();
    await expect(other.connect(AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(other.status).toBe('idle');
  });

  test('what a transport throws because of wrong options rejects connect(), and it is over', async () => {
    const lifecycle = start();
    socket.broken = new TypeError('give the url of the server');
    await expect(lifecycle.connect(undefined)).rejects.toBe(socket.broken);
    expect(lifecycle.status).toBe('disconnected');
    expect(clock.pending).toBe(0);
    expect(reported).toEqual([]);
    socket.broken = undefined;
    const again = lifecycle.connect(undefined);
    lifecycle.disconnect();
    await expect(again).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test('React mounts twice: the first connect() ends, the second one connects', async () => {
    const lifecycle = start();
    const first = lifecycle.connect(undefined);
    lifecycle.disconnect();
    const second = lifecycle.connect(undefined);
    await expect(first).rejects.toMatchObject({ code: 'DISCONNECTED' });
    await settle();
    expect(socket.attempts).toHaveLength(1);
    socket.open();
    socket.hello();
    await second;
    expect(lifecycle.status).toBe('connected');
  });
});

describe('failing', () => {
  test('an attempt that fails is followed by another one after a wait', async () => {
    const lifecycle = start();
    const connecting = lifecycle.connect(undefined);
    await settle();
    socket.refuse();
    expect(socket.attempts).toHaveLength(1);
    expect(lifecycle.status).toBe('connecting');
    clock.advance(BACKOFF_MS);
    await settle();
    socket.open();
    socket.hello();
    await connecting;
    expect(socket.attempts).toHaveLength(2);
  });

  test('an attempt that nobody answers is given up', async () => {
    const lifecycle = start();
    void lifecycle.connect(undefined).catch(() => undefined);
    await settle();
    clock.advance(20_000);
    expect(socket.closed).toBe(1);
    clock.advance(BACKOFF_MS);
    await settle();
    expect(socket.attempts).toHaveLength(2);
  });

  test('catching up that fails is followed by another attempt; what is no matter of the moment is reported', async () => {
    const lifecycle = start();
    catchingUp = deferred();
    const connecting = lifecycle.connect(undefined);
    await settle();
    socket.open();
    socket.hello();
    const error = new CommError('INVALID', 'x');
    catchingUp.reject(error);
    await settle();
    expect(lifecycle.status).toBe('connecting');
    expect(reported).toEqual([error]);
    catchingUp = undefined;
    clock.advance(BACKOFF_MS);
    await settle();
    socket.open();
    socket.hello();
    await connecting;
  });

  test('a line that is lost while catching up is not reported', async () => {
    const lifecycle = start();
    catchingUp = deferred();
    void lifecycle.connect(undefined).catch(() => undefined);
    await settle();
    socket.open();
    socket.hello();
    socket.lose();
    catchingUp.reject(new CommError('INVALID', 'of a connection that is gone'));
    await settle();
    expect(reported).toEqual([]);
    expect(log.at(-1)).toBe('line lost');
    lifecycle.disconnect();
  });

  test('a lost line is found again: the status says so, and what waits is told', async () => {
    const lifecycle = await connected();
    socket.lose();
    expect(log).toEqual(['line lost', 'reconnecting']);
    const waiting = lifecycle.whenConnected(undefined);
    clock.advance(BACKOFF_MS);
    await settle();
    socket.open();
    socket.hello();
    await waiting;
    expect(log).toEqual(['line lost', 'reconnecting', 'hello', 'catch up', 'connected']);
  });

  test('a server that has said hello before is not taken for a base server because it is slow', async () => {
    await connected();
    socket.lose();
    clock.advance(BACKOFF_MS);
    await settle();
    socket.open();
    clock.advance(19_000);
    await settle();
    expect(log).toEqual(['line lost', 'reconnecting']);
    socket.hello();
    await settle();
    expect(log).toEqual(['line lost', 'reconnecting', 'hello', 'catch up', 'connected']);
  });

  test('an app that has another server since is not kept waiting for ever', async () => {
    await connected();
    socket.lose();
    clock.advance(BACKOFF_MS);
    await settle();
    socket.open();
    clock.advance(20_000);
    await settle();
    expect(log).toEqual(['line lost', 'reconnecting', 'no hello', 'catch up', 'connected']);
  });

  test('frames that make no sense are dropped', async () => {
    await connected();
    for (const frame of [null, undefined, 1, 'x', [], {}, { event: 1 }, { event: null, data: 1 }])
      socket.pushFrame(frame);
    socket.pushFrame({ event: 'typing:update' });
    expect(log).toEqual(['pushed typing:update']);
  });
});

describe('who this is', () => {
  test('a user that the server does not know is unauthenticated, with its words', async () => {
    const lifecycle = start({ token: () => 'token' });
    const connecting = lifecycle.connect(undefined);
    const waiting = lifecycle.whenConnected(undefined);
    await settle();
    socket.refuse('UNAUTHENTICATED', 'Who are you?');
    await expect(connecting).rejects.toMatchObject({ code: 'UNAUTHENTICATED', message: 'Who are you?' });
    await expect(waiting).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(lifecycle.whenConnected(undefined)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(lifecycle.status).toBe('unauthenticated');
    expect(clock.pending).toBe(0);
  });

  test('after signing in anew the app is asked for its new token', async () => {
    let token = 'old';
    const lifecycle = start({ token: () => token });
    const first = lifecycle.connect(undefined);
    await settle();
    socket.refuse('UNAUTHENTICATED');
    await expect(first).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    token = 'new';
    void lifecycle.connect(undefined).catch(() => undefined);
    await settle();
    expect(socket.attempts.map(({ auth }) => auth['token'])).toEqual(['old', 'new']);
    lifecycle.disconnect();
  });

  test('an expired token is replaced', async () => {
    let asked = 0;
    const lifecycle = start({ token: () => `token ${(asked += 1)}` });
    const connecting = lifecycle.connect(undefined);
    await settle();
    socket.refuse('TOKEN_EXPIRED');
    clock.advance(BACKOFF_MS);
    await settle();
    socket.open();
    socket.hello();
    await connecting;
    expect(socket.attempts.map(({ auth }) => auth['token'])).toEqual(['token 1', 'token 2']);
  });

  test('so is one that expires while connected', async () => {
    let asked = 0;
    const lifecycle = await connected({ token: () => `token ${(asked += 1)}` });
    lifecycle.userRefused(true);
    expect(lifecycle.status).toBe('reconnecting');
    clock.advance(BACKOFF_MS);
    await settle();
    expect(socket.attempts.map(({ auth }) => auth['token'])).toEqual(['token 1', 'token 2']);
    lifecycle.disconnect();
  });

  test('three expired tokens in a row sign out', async () => {
    const lifecycle = start({ token: () => 'stale' });
    const rejected = expect(lifecycle.connect(undefined)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await settle();
      socket.refuse('TOKEN_EXPIRED');
      clock.advance(BACKOFF_MS);
    }
    await rejected;
    expect(socket.attempts).toHaveLength(3);
    expect(lifecycle.status).toBe('unauthenticated');
  });

  test('a base server that hangs up on us does not know us, after three times', async () => {
    const lifecycle = start();
    const rejected = expect(lifecycle.connect(undefined)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await settle();
      socket.open();
      socket.lose(true);
      clock.advance(BACKOFF_MS);
    }
    await rejected;
  });

  test('a token function that fails is asked again, and the app is told', async () => {
    let asked = 0;
    const cause = new Error('no network');
    const lifecycle = start({
      token: () => {
        asked += 1;
        if (asked === 1) throw cause;
        return 'token';
      },
    });
    const connecting = lifecycle.connect(undefined);
    await settle();
    expect(reported).toMatchObject([{ code: 'UNAUTHENTICATED', cause }]);
    clock.advance(BACKOFF_MS);
    await settle();
    socket.open();
    socket.hello();
    await connecting;
  });
});

describe('disconnecting', () => {
  test.each(['opening', 'greeting', 'catching up', 'connected', 'waiting'])(
    'while %s, everything ends',
    async (when) => {
      const lifecycle = start();
      catchingUp = deferred();
      const outcome = lifecycle.connect(undefined).catch((error: unknown) => error);
      await settle();
      if (when === 'waiting') socket.refuse();
      else if (when !== 'opening') {
        socket.open();
        if (when !== 'greeting') socket.hello();
        if (when === 'connected') catchingUp.resolve();
      }
      await settle();
      lifecycle.disconnect();
      expect(lifecycle.status).toBe('disconnected');
      expect(clock.pending).toBe(0);
      if (when !== 'connected') expect(await outcome).toMatchObject({ code: 'DISCONNECTED' });
      const attempts = socket.attempts.length;
      clock.advance(100_000);
      catchingUp.resolve();
      await settle();
      expect(lifecycle.status).toBe('disconnected');
      expect(socket.attempts).toHaveLength(attempts);
      await expect(lifecycle.whenConnected(undefined)).rejects.toMatchObject({ code: 'DISCONNECTED' });
    },
  );

  test('while a token is fetched, no attempt follows', async () => {
    const token = deferred<string>();
    const lifecycle = start({ token: () => token.promise });
    const rejected = expect(lifecycle.connect(undefined)).rejects.toMatchObject({ code: 'DISCONNECTED' });
    lifecycle.disconnect();
    token.resolve('token');
    await rejected;
    await settle();
    expect(socket.attempts).toEqual([]);
  });

  test('connect() works again', async () => {
    const lifecycle = await connected();
    lifecycle.disconnect();
    const connecting = lifecycle.connect(undefined);
    await settle();
    socket.open();
    socket.hello();
    await connecting;
    expect(log).toEqual(['line lost', 'disconnected', 'connecting', 'hello', 'catch up', 'connected']);
  });
});

describe('waiting for a connection', () => {
  test('nobody waits where nobody has called connect()', async () => {
    await expect(start().whenConnected(undefined)).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test('whoever can wait until somebody does is not disturbed by attempts that end', async () => {
    const lifecycle = start();
    let arrived = false;
    const waiting = lifecycle.untilConnected(undefined).then(() => (arrived = true));
    void lifecycle.connect(undefined).catch(() => undefined);
    lifecycle.disconnect();
    void lifecycle.connect(undefined).catch(() => undefined);
    await settle();
    socket.refuse('UNAUTHENTICATED');
    await settle();
    expect(arrived).toBe(false);
    void lifecycle.connect(undefined);
    await settle();
    socket.open();
    socket.hello();
    expect(await waiting).toBe(true);
  });

  test('their signal ends it', async () => {
    const controller = new AbortController();
    const waiting = start().untilConnected(controller.signal);
    const reason = new Error('closed');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  test('a line that is lost while somebody is told keeps the next one waiting', async () => {
    const lifecycle = await connected();
    socket.lose();
    let arrived = false;
    void lifecycle.untilConnected(undefined).then(() => (arrived = true));
    await settle();
    expect(arrived).toBe(false);
    lifecycle.disconnect();
  });
});

describe('waking up', () => {
  test('cuts the wait for the next attempt short', async () => {
    const lifecycle = await connected();
    socket.lose();
    lifecycle.wake();
    await settle();
    expect(socket.attempts).toHaveLength(2);
    lifecycle.disconnect();
  });

  test('asks a line that should stand, and gives it up without an answer', async () => {
    const lifecycle = await connected();
    lifecycle.wake();
    clock.advance(5_000);
    await settle();
    expect(lifecycle.status).toBe('reconnecting');
    lifecycle.disconnect();
  });

  test.each([
    ['an answer', { ok: true, data: { serverTime: '' } }],
    ['a refusal', { ok: false, error: { code: 'RATE_LIMITED', message: 'x' } }],
  ])('%s shows that the line stands', async (_title, reply) => {
    const lifecycle = await connected();
    lifecycle.wake();
    socket.last('comm:ping').reply?.(reply);
    clock.advance(60_000);
    await settle();
    expect(lifecycle.status).toBe('connected');
  });

  test('a ping of an earlier connection ends no later one', async () => {
    const lifecycle = await connected();
    lifecycle.wake();
    lifecycle.disconnect();
    const connecting = lifecycle.connect(undefined);
    await settle();
    socket.open();
    socket.hello();
    await connecting;
    clock.advance(60_000);
    await settle();
    expect(lifecycle.status).toBe('connected');
  });

  test('a base server is not asked: it would not answer', async () => {
    const lifecycle = start();
    const connecting = lifecycle.connect(undefined);
    await settle();
    socket.open();
    clock.advance(1_000);
    await connecting;
    lifecycle.wake();
    expect(socket.sent).toEqual([]);
  });

  test('before connect() it does nothing', () => {
    start().wake();
    expect(socket.attempts).toEqual([]);
  });
});
