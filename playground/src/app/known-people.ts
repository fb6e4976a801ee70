import { SUGGESTED_PEOPLE } from '../lib/people.ts';
import type { Session } from './session.ts';

/** Everybody in the list of conversations, and those whom the page suggests. */
export function knownPeople({ client }: Session): string[] {
  const { conversations } = client.conversations.inbox.getSnapshot();
  return [
    ...new Set([
      ...conversations.flatMap(({ participants }) => participants.map(({ userId }) => userId)),
      ...SUGGESTED_PEOPLE,
    ]),
  ];
}
