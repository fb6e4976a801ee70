import type { CommClient, Participant } from 'lumen-comm';
import { learnProfile } from '../lib/profiles.ts';

/** Keeps the names and pictures of this user and of the participants of all conversations. */
export function followProfiles(client: CommClient, userId: string, signal: AbortSignal): void {
  const { inbox } = client.conversations;
  const seen = new WeakSet<readonly Participant[]>();
  const learn = (): void => {
    for (const { participants } of inbox.getSnapshot().conversations) {
      // The lists that have not changed are the same objects.
      if (seen.has(participants)) continue;
      seen.add(participants);
      for (const each of participants) learnProfile(each.userId, each.displayName, each.avatarUrl);
    }
  };
  const own = client.users.watch([userId]);
  const learnOwn = (): void => {
    const user = own.getSnapshot().get(userId);
    if (user !== undefined) learnProfile(userId, user.displayName, user.avatarUrl);
  };
  const stops = [inbox.subscribe(learn), own.subscribe(learnOwn)];
  signal.addEventListener('abort', () => stops.forEach((stop) => stop()));
  client.on('user:updated', ({ id, displayName, avatarUrl }) => learnProfile(id, displayName, avatarUrl), { signal });
  learn();
}
