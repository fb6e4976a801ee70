import { SUGGESTED_PEOPLE } from '../lib/people.ts';
import type { Session } from './session.ts';

/** Returns the participants of all conversations and the suggested people, without duplicates. */
export function knownPeople({ client }: Session): string[] {
  const { conversations } = client.conversations.inbox.getSnapshot();
  return [
    ...new Set([
      ...conversations.flatMap(({ participants }) => participants.map(({ userId }) => userId)),
      ...SUGGESTED_PEOPLE,
    ]),
  ];
}
