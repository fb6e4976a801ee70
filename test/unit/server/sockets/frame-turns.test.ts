import { expect, test } from 'vitest';
import { FrameTurns, spreadFrames, UNITS_PER_TURN, type Step } from '../../../../src/server/sockets/frame-turns.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A connection that has received `count` small frames. */
function received(name: string, count: number, turns: FrameTurns, handled: string[]): Step {
  let frame = 0;
  return () => {
    handled.push(`${name} ${(frame += 1)}`);
    turns.count(0);
    return frame < count;
  };
}

test('the frames of one turn are bounded over all connections, in order, and connections alternate', async () => {
  const turns = new FrameTurns();
  const handled: string[] = [];
  turns.run(received('ann', 500, turns, handled));
  turns.run(received('bob', 500, turns, handled));
  // Ann's frames took the rest of this turn.
  expect(handled.every((each) => each.startsWith('ann'))).toBe(true);
  const perTurn = [handled.length];
  for (let before = handled.length; handled.length < 1_000; before = handled.length) {
    await turn();
    perTurn.push(handled.length - before);
  }
  expect(Math.max(...perTurn)).toBe(UNITS_PER_TURN / 2);
  for (const name of ['ann', 'bob']) {
    const own = handled.filter((each) => each.startsWith(name));
    expect(own).toEqual(Array.from({ length: 500 }, (_, frame) => `${name} ${frame + 1}`));
  }
  const firstShared = handled.findIndex((each) => each.startsWith('bob'));
  expect(handled.slice(firstShared, firstShared + 4).map((each) => each.split(' ')[0])).toEqual([
    'bob',
    'ann',
    'bob',
    'ann',
  ]);
});

test('a large frame takes the turn', async () => {
  const turns = new FrameTurns();
  const handled: string[] = [];
  turns.run(() => {
    turns.count(1_048_576);
    return false;
  });
  turns.run(received('ann', 1, turns, handled));
  expect(handled).toEqual([]);
  await turn();
  expect(handled).toEqual(['ann 1']);
});

test('a connection without waiting parts is handled at once', async () => {
  const turns = new FrameTurns();
  const handled: string[] = [];
  turns.run(received('ann', 1_000, turns, handled));
  while (handled.length < 1_000) await turn();
  await turn();
  turns.run(received('bob', 1, turns, handled));
  expect(handled.at(-1)).toBe('bob 1');
});

test('a long-polling request is answered when its last packet is handled', async () => {
  const turns = new FrameTurns();
  const packets: string[] = [];
  const answers: unknown[] = [];
  const transport = {
    name: 'polling',
    onData(payload: string) {
      for (const packet of payload.split('\u001E')) {
        turns.count(0);
        packets.push(packet);
      }
    },
    onDataRequest(request: string, response: { writeHead(status: number): { end(body: string): unknown } }) {
      this.onData(request);
      response.writeHead(200).end('ok');
    },
  };
  spreadFrames(transport, turns);
  const sent = Array.from({ length: 600 }, (_, at) => `4${at}`);
  const response = {
    writeHead: (status: number) => (answers.push(status), response),
    end: (body: string) => answers.push(body, packets.length),
  };
  transport.onDataRequest(sent.join('\u001E'), response);
  expect(packets.length).toBeLessThanOrEqual(UNITS_PER_TURN);
  while (answers.length < 3) await turn();
  expect(answers).toEqual([200, 'ok', 600]);
  expect(packets).toEqual(sent);
});

test('the transports of other servers stay as they are', () => {
  const onData = (): void => undefined;
  const transport = { name: 'websocket', onData, socket: {} };
  spreadFrames(transport, new FrameTurns());
  expect(transport.onData).toBe(onData);
});
