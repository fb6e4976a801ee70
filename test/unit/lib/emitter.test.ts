import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Emitter } from '../../../src/lib/emitter.ts';

interface Events {
  greeting: string;
  number: number;
}

interface Setup {
  emitter: Emitter<Events>;
  heard: string[];
  hear: (payload: string) => void;
  thrown: [error: unknown, event: string][];
}

function setup(): Setup {
  const thrown: [unknown, string][] = [];
  const heard: string[] = [];
  const emitter = new Emitter<Events>((error, event) => thrown.push([error, event]));
  return { emitter, heard, hear: (payload) => void heard.push(payload), thrown };
}

test('a listener gets the payloads of its event, in order, until it is removed', () => {
  const { emitter, heard, hear } = setup();
  const stop = emitter.on('greeting', hear);
  emitter.emit('greeting', 'a');
  emitter.emit('number', 1);
  emitter.emit('greeting', 'b');
  stop();
  emitter.emit('greeting', 'c');
  expect(heard).toEqual(['a', 'b']);
});

test('listeners are called in the order in which they were added', () => {
  const { emitter, heard, hear } = setup();
  emitter.on('greeting', () => hear('first'));
  emitter.once('greeting', () => hear('second'));
  emitter.on('greeting', () => hear('third'));
  emitter.emit('greeting', '');
  expect(heard).toEqual(['first', 'second', 'third']);
});

test('a throwing listener stops neither other listeners nor the emitting code', () => {
  const { emitter, heard, hear, thrown } = setup();
  const error = new Error('from a listener');
  emitter.on('greeting', () => {
    throw error;
  });
  emitter.on('greeting', hear);
  emitter.emit('greeting', 'a');
  expect(heard).toEqual(['a']);
  expect(thrown).toEqual([[error, 'greeting']]);
});

test('once() calls the listener once, also if it emits the same event', () => {
  const { emitter, heard, hear } = setup();
  emitter.once('greeting', (payload) => {
    hear(payload);
    emitter.emit('greeting', 'again');
  });
  emitter.emit('greeting', 'a');
  emitter.emit('greeting', 'b');
  expect(heard).toEqual(['a']);
});

test('once() calls the listener once, also if it throws', () => {
  const { emitter, thrown } = setup();
  emitter.once('greeting', () => {
    throw new Error('once');
  });
  emitter.emit('greeting', 'a');
  emitter.emit('greeting', 'b');
  expect(thrown).toHaveLength(1);
});

test('off() removes all subscriptions of the listener to the event, and no others', () => {
  const { emitter, heard, hear } = setup();
  const both = (payload: string | number): void => hear(String(payload));
  emitter.on('greeting', both);
  emitter.on('greeting', both);
  emitter.once('greeting', both);
  emitter.on('number', both);
  emitter.on('greeting', hear);
  emitter.off('greeting', both);
  emitter.emit('greeting', 'a');
  emitter.emit('number', 1);
  expect(heard).toEqual(['a', '1']);
});

test('off() for an unknown listener has no effect', () => {
  const { emitter, heard, hear } = setup();
  emitter.on('greeting', hear);
  emitter.off('greeting', () => undefined);
  emitter.emit('greeting', 'a');
  expect(heard).toEqual(['a']);
});

test('removing a subscription is idempotent and keeps other subscriptions of the listener', () => {
  const { emitter, heard, hear } = setup();
  const stop = emitter.on('greeting', hear);
  emitter.on('greeting', hear);
  stop();
  stop();
  emitter.emit('greeting', 'a');
  expect(heard).toEqual(['a']);
});

test('a listener that another one removes during an emit is not called', () => {
  const { emitter, heard, hear } = setup();
  const stops: (() => void)[] = [];
  emitter.on('greeting', () => {
    for (const stop of stops) stop();
  });
  stops.push(emitter.on('greeting', hear));
  emitter.emit('greeting', 'a');
  expect(heard).toEqual([]);
});

test('a listener that is added during an emit is called by the next one', () => {
  const { emitter, heard, hear } = setup();
  emitter.once('greeting', () => void emitter.on('greeting', hear));
  emitter.emit('greeting', 'a');
  expect(heard).toEqual([]);
  emitter.emit('greeting', 'b');
  expect(heard).toEqual(['b']);
});

test.each(['on', 'once'] as const)('an abort removes a listener of %s()', (method) => {
  const { emitter, heard, hear } = setup();
  const controller = new AbortController();
  emitter[method]('greeting', hear, { signal: controller.signal });
  controller.abort();
  emitter.emit('greeting', 'a');
  expect(heard).toEqual([]);
});

test('with an aborted signal no listener is added', () => {
  const { emitter, heard, hear } = setup();
  const stop = emitter.on('greeting', hear, { signal: AbortSignal.abort() });
  emitter.emit('greeting', 'a');
  stop();
  expect(heard).toEqual([]);
});

test.each<[title: string, end: (emitter: Emitter<Events>, hear: (payload: string) => void, stop: () => void) => void]>([
  ['stopping', (_emitter, _hear, stop) => stop()],
  ['off', (emitter, hear) => emitter.off('greeting', hear)],
  ['having been called once', (emitter) => emitter.emit('greeting', 'a')],
])('after %s the signal no longer references the listener', (_title, end) => {
  const { emitter, hear } = setup();
  const { signal } = new AbortController();
  const stop = emitter.once('greeting', hear, { signal });
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  end(emitter, hear, stop);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});
