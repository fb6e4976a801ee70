import { describe, expect, test } from 'vitest';
import { PublishedSequence, ReceivedSequences } from '../../../../src/server/cluster/sequences.ts';

/** Returns the order of each message of a channel, as its subscriber sees it. */
function ordersOf(messages: readonly string[], received = new ReceivedSequences()): (string | undefined)[] {
  return messages.map((message) => received.receive('c', message)?.order);
}

describe('a subscriber', () => {
  const published = new PublishedSequence('p1');
  const [one = '', two = '', three = ''] = ['1', '2', '3'].map((payload) => {
    published.next('other', 'on another channel');
    return published.next('c', payload);
  });

  test('sees each message once, though the publisher uses other channels too', () => {
    expect(ordersOf([one, two, three])).toEqual(['next', 'next', 'next']);
  });

  test('begins with any message', () => {
    expect(ordersOf([two, three])).toEqual(['next', 'next']);
  });

  test('sees a hole', () => {
    expect(ordersOf([one, three])).toEqual(['next', 'hole']);
  });

  test('sees a repeated message, and one that comes too late', () => {
    expect(ordersOf([one, one, three, two])).toEqual(['next', 'repeated', 'hole', 'repeated']);
  });

  test('begins again after it has forgotten the channel', () => {
    const received = new ReceivedSequences();
    ordersOf([one], received);
    received.forget('c');
    expect(ordersOf([three], received)).toEqual(['next']);
  });

  test('counts each publisher for itself', () => {
    const other = new PublishedSequence('p2');
    expect(ordersOf([one, other.next('c', 'x'), two, other.next('c', 'y')])).toEqual(['next', 'next', 'next', 'next']);
  });

  test.each(['', 'p1', 'p1 1', 'p1 1 0', 'p1 -1 0 x', ' 1 0 x', '{}'])('rejects %j, which has no header', (message) => {
    expect(new ReceivedSequences().receive('c', message)).toBeUndefined();
  });

  test('reads the payload unchanged', () => {
    const message = published.next('payloads', ' a b\n1 2 ');
    expect(new ReceivedSequences().receive('payloads', message)?.payload).toBe(' a b\n1 2 ');
  });
});

test('a publisher that has forgotten a channel makes its subscribers read the rows', () => {
  const published = new PublishedSequence('p1', 1);
  const first = published.next('c', '1');
  published.next('d', '1');
  expect(ordersOf([first, published.next('c', '2')])).toEqual(['next', 'hole']);
});
