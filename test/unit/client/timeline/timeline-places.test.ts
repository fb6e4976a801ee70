import { expect, test } from 'vitest';
import { placeInThread } from '../../../../src/client/timeline/segments.ts';
import { emptyTimeline } from '../../../../src/client/timeline/timeline-reducer.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { message } from '../../../helpers/client/messages.ts';
import { created, EMPTY, loaded, run, stretches } from '../../../helpers/client/timeline.ts';

/** A message of the main timeline after replies that aren't in it. */
const main = (seq: number, timelineSeq: number): Message => message(seq, { timelineSeq });
const reply = (seq: number, threadSeq: number): Message => message(seq, { threadId: '1', threadSeq });

test('messages of the main timeline adjoin across the replies between them', () => {
  const timeline = run(EMPTY, loaded('newest', [message(1), main(5, 2)]), created(main(9, 3)));
  expect(stretches(timeline)).toBe('[1 5 9]');
  const older = run(EMPTY, loaded('newest', [main(9, 3)]), loaded('older', [message(1), main(5, 2)]));
  expect(stretches(older)).toBe('[1 5 9]');
});

test('a missing message of the main timeline is a gap', () => {
  const timeline = run(EMPTY, loaded('newest', [message(1)]), created(main(9, 3)));
  expect(timeline.generation).toBe(1);
  const apart = run(EMPTY, loaded('newest', [main(9, 3)]), loaded('around', [message(1)]));
  expect(stretches(apart)).toBe('[1] [9]');
});

test('replies adjoin across the messages between them, and a missing reply is a gap', () => {
  const empty = emptyTimeline('conversation', 'alice', placeInThread);
  const timeline = run(empty, loaded('newest', [reply(2, 1)]), created(reply(7, 2)));
  expect(stretches(timeline)).toBe('[2 7]');
  expect(run(timeline, created(reply(9, 4))).generation).toBe(1);
});
