/**
 * Sends hostile frames, packets, events and REST requests to a server and checks that each request is answered by the
 * protocol, that no secret reaches a stranger, and that the server keeps serving:
 * `node test/attacks/fuzz/run.ts [inputs] [seed]`. The same seed sends the same inputs, except for ids that the server made.
 */
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { inspect } from 'node:util';
import { seededRandom } from '../../../src/lib/seeded-random.ts';
import {
  DEFAULT_NAMESPACE,
  DEFAULT_REST_PATH,
  DEFAULT_SOCKET_PATH,
  REST_ROUTES,
  type RestRouteName,
} from '../../../src/protocol/constants.ts';
import { errorBodySchema, REQUEST_SCHEMAS } from '../../../src/protocol/event-schemas.ts';
import type { RequestName } from '../../../src/protocol/events.ts';
import { REST_INPUT_SCHEMAS } from '../../../src/protocol/rest.ts';
import { connectUser, type TestUser } from '../../../src/testing/connect-user.ts';
import * as v from 'valibot';
import { mutated, nearlyValidJson, wordFor, type Words } from './hostile-values.ts';
import { Finding, Peer } from './peer.ts';

const inputs = Number(process.argv[2] ?? 20_000);
const seed = Number(process.argv[3] ?? 1);
const SECRET = 'secret-of-the-victim';
const NAMES = Object.keys(REQUEST_SCHEMAS) as RequestName[];
const ROUTES = Object.keys(REST_ROUTES) as RestRouteName[];
/** Inputs that are sent before their answers are awaited. */
const WAVE = 200;
const PEERS = 6;
const MOST_WORDS = 300;

const random = seededRandom(seed);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const words: Words = {
  users: ['victim', ...Array.from({ length: PEERS }, (_, at) => `peer-${at}`)],
  conversations: ['unknown'],
  messages: ['unknown', 'unknown', '2026-01-01T00:00:00.000Z'],
  calls: ['unknown'],
  texts: ['hello', 'AAAA', '', 'https://example.com/a.png', '\u{1F44D}'],
};
const counts = new Map<string, number>();
const count = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);

function look(text: string, input: string): void {
  if (text.includes(SECRET)) throw new Finding(`A stranger received ${text.slice(0, 500)}`, input);
  for (const [, field = '', id = ''] of text.matchAll(/"(id|conversationId|messageId|callId)":"([\w-]{8,64})"/g)) {
    if (field === 'conversationId') learn(words.conversations, id);
    else if (field === 'callId') learn(words.calls, id);
    else learn(words.messages, id);
  }
}

/** Adds an id. A full list forgets another one than the first, which are the victim's. */
function learn(ids: string[], id: string): void {
  if (ids.includes(id)) return;
  if (ids.length < MOST_WORDS) ids.push(id);
  else ids[random.between(5, MOST_WORDS - 1)] = id;
}

async function startServer(): Promise<{ url: string; logged: string[]; stop(): Promise<void>; isRunning(): boolean }> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'server-child.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const logged: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', () => reject(new Error('The server exited')));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const address = /^listening on (\S+)/.exec(line)?.[1];
      if (address === undefined) logged.push(line);
      else resolve(address);
    });
  });
  return {
    url,
    logged,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** A packet that is not valid, or is not expected here. */
function hostilePacket(): string {
  const name = random.pick(NAMES);
  const json = nearlyValidJson(random, REQUEST_SCHEMAS[name].req, words);
  const packet = random.pick([
    `42${DEFAULT_NAMESPACE},7["nk:${name}",${json}]`,
    `42${DEFAULT_NAMESPACE},["nk:${name}",${json}]`,
    `42${DEFAULT_NAMESPACE},["${name}",${json}]`,
    `43${DEFAULT_NAMESPACE},1[${json}]`,
    `40${DEFAULT_NAMESPACE},${json}`,
    `40/other,${json}`,
    '40',
    `41${DEFAULT_NAMESPACE},`,
    `44${DEFAULT_NAMESPACE},${json}`,
    `451-${DEFAULT_NAMESPACE},["nk:${name}",{"_placeholder":true,"num":0}]`,
    '2probe',
    '5',
    '1',
  ]);
  return random.chance(0.8) ? mutated(random, packet) : packet;
}

const METHODS = ['GET', 'GET', 'GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS'];
/** The parameters of all routes, and some that no route has. */
const QUERIES = [
  ...new Set(Object.values(REST_INPUT_SCHEMAS).flatMap((input) => ('query' in input ? parametersOf(input.query) : []))),
  'userId',
  'since',
];
/** Values of parameters that aren't ids, texts or numbers. */
const FLAGS = ['true', 'false', 'main'];

function parametersOf(schema: v.GenericSchema): string[] {
  return Object.keys((schema as { readonly entries?: object }).entries ?? {});
}

async function hostileRest(url: string, userId: string): Promise<void> {
  const name = random.pick(ROUTES);
  const route = REST_ROUTES[name];
  const input = REST_INPUT_SCHEMAS[name];
  const word = (field: string): string => {
    const fitting = wordFor(random, field, words);
    return random.chance(0.8) ? fitting : mutated(random, fitting);
  };
  const query = Array.from({ length: random.between(0, 3) }, (): [string, string] => {
    const own = 'query' in input && random.chance(0.8) ? parametersOf(input.query) : QUERIES;
    const field = random.pick(own);
    return [field, random.pick([word(field), word(field), random.pick(FLAGS), String(random.between(-5, 500))])];
  });
  const method = random.chance(0.9) ? route.method : random.pick(METHODS);
  const filled = route.path.replace(':id', () => encodeURIComponent(word(route.path).toWellFormed()));
  const target = random.chance(0.9) ? filled : mutated(random, filled).replaceAll(/[\s#?\\]/g, '');
  const search = new URLSearchParams(query).toString();
  const body =
    method === 'POST' || method === 'PUT' || method === 'PATCH'
      ? nearlyValidJson(random, 'body' in input ? input.body : REQUEST_SCHEMAS['conversation:create'].req, words)
      : null;
  const request = `${method} ${target}?${search} ${body ?? ''}`;
  const response = await fetch(`${url}${DEFAULT_REST_PATH}${target}?${search}`, {
    method,
    body: body !== null && random.chance(0.2) ? mutated(random, body) : body,
    headers: {
      'x-user-id': userId,
      'content-type': random.pick(['application/json', 'application/json', 'text/plain', 'x']),
    },
  });
  const text = await response.text();
  look(text, request);
  count(`REST ${response.status}`);
  // 501: previews of links are disabled.
  if (response.status >= 500 && response.status !== 501 && response.status !== 503)
    throw new Finding(`Status ${response.status}: ${text}`, request);
  if (response.status < 400 || !target.startsWith('/') || method === 'OPTIONS') return;
  const error = v.safeParse(v.object({ error: errorBodySchema }), parsedJson(text));
  if (!error.success) throw new Finding(`Status ${response.status} with ${text.slice(0, 300)}`, request);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A request to the path of the sockets that no client of Engine.IO would send. */
async function hostilePolling(url: string): Promise<void> {
  const query = random.pick([
    'EIO=4&transport=polling',
    'EIO=3&transport=polling',
    'EIO=4&transport=websocket',
    'EIO=4&transport=polling&sid=AAAA',
    'EIO=4&transport=%00',
    '',
  ]);
  const body = Array.from({ length: random.between(1, 30) }, hostilePacket)
    .join('\u001E')
    .toWellFormed();
  const method = random.pick(['GET', 'POST', 'POST', 'PUT', 'OPTIONS']);
  const response = await fetch(`${url}${DEFAULT_SOCKET_PATH}?${query}&userId=poller`, {
    method,
    body: method === 'GET' || method === 'OPTIONS' ? null : body,
  });
  look(await response.text(), `${method} ${query}`);
  count(`polling ${response.status}`);
  if (response.status >= 500) throw new Finding(`Status ${response.status}`, `${method} ${query} ${body}`);
}

/** Creates a group of all peers, with an admin and a thread, and makes it the first word. */
async function share(host: TestUser): Promise<void> {
  const { id } = await host.request('conversation:create', {
    type: 'group',
    participantIds: words.users.slice(1),
    visibility: random.pick(['private', 'public']),
  });
  await host.request('conversation:set-role', { conversationId: id, userId: 'peer-0', role: 'admin' });
  words.conversations[0] = id;
  words.messages[0] = (await host.send(id, 'hello')).id;
  const reply = { conversationId: id, content: 'hello', type: 'text', threadId: words.messages[0] } as const;
  words.messages[1] = (await host.request('message:send', reply)).id;
}

async function main(): Promise<void> {
  const server = await startServer();
  try {
    const { url } = server;
    const victim = await connectUser({ url, userId: 'victim' });
    const friend = await connectUser({ url, userId: 'friend' });
    const owned = await victim.request('conversation:create', {
      type: 'group',
      name: `${SECRET} group`,
      participantIds: ['friend'],
    });
    words.conversations.push(owned.id);
    words.messages.push((await victim.send(owned.id, `${SECRET} text`)).id);
    const host = await connectUser({ url, userId: 'host' });
    const requesters = Array.from(
      { length: PEERS },
      (_, at) => new Peer(url, `peer-${at}`, counts, (text) => look(text, '')),
    );
    const breakers = Array.from(
      { length: PEERS },
      (_, at) => new Peer(url, `breaker-${at}`, counts, (text) => look(text, '')),
    );
    await Promise.all(requesters.map((peer) => peer.open()));
    const start = performance.now();
    let sent = 0;
    let waves = 0;
    while (sent < inputs) {
      // The peers remove each other and leave: a new conversation lets their requests succeed again.
      if (waves % 5 === 0) await share(host);
      waves += 1;
      for (const breaker of breakers) if (!breaker.isOpen) await breaker.open();
      const requests: Promise<void>[] = [];
      for (let wave = Math.min(WAVE, inputs - sent); wave > 0; wave -= 1) {
        sent += 1;
        const kind = random.next();
        if (kind < 0.7) {
          const name = random.pick(NAMES);
          random.pick(requesters).request(name, nearlyValidJson(random, REQUEST_SCHEMAS[name].req, words));
        } else if (kind < 0.9) {
          const open = breakers.filter((breaker) => breaker.isOpen);
          if (open.length > 0) random.pick(open).write(hostilePacket());
        } else if (kind < 0.98) requests.push(hostileRest(url, `peer-${random.between(0, PEERS - 1)}`));
        else requests.push(hostilePolling(url));
      }
      await Promise.all([...requests, ...requesters.map((peer) => peer.settled())]);
      // The victim is still served, and its messages are unchanged.
      await victim.request('comm:ping', {});
      if (!server.isRunning()) throw new Finding('The server exited', '');
      if (server.logged.length > 0) throw new Finding(`The server logged an error: ${server.logged.join('\n')}`, '');
    }
    const last = await victim.send(owned.id, 'still here');
    if (last.seq !== 2) throw new Finding(`A message of the victim was lost or added: ${last.seq}`, '');
    const seconds = (performance.now() - start) / 1_000;
    print(`${sent} inputs with seed ${seed} in ${seconds.toFixed(0)} s`);
    print(
      [...counts]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, times]) => `${name}: ${times}`)
        .join(', '),
    );
    for (const peer of [...requesters, ...breakers]) peer.close();
    victim.close();
    friend.close();
    host.close();
    print('1 passed, 0 failed');
  } finally {
    await server.stop();
  }
}

try {
  await main();
} catch (error) {
  print(error instanceof Finding ? error.message : inspect(error));
  print('0 passed, 1 failed');
  process.exitCode = 1;
}
