/** What the server has told about a user. */
export interface Profile {
  /** Absent if the user has no name of their own. */
  readonly name: string | undefined;
  readonly picture: string | undefined;
}

/*
 * Names are shown in every part of the page, which all show the same user: the profiles belong to the page, as the theme
 * does.
 */
const known = new Map<string, Profile>();
const listeners = new Set<(userId: string) => void>();

export function profileOf(userId: string): Profile | undefined {
  return known.get(userId);
}

/** Keeps a profile. @param displayName - the user id if no source names the user */
export function learnProfile(userId: string, displayName: string, avatarUrl: string | undefined): void {
  const name = displayName === userId ? undefined : displayName;
  const picture = avatarUrl !== undefined && isOwn(avatarUrl) ? avatarUrl : undefined;
  const held = known.get(userId);
  if (held?.name === name && held?.picture === picture) return;
  known.set(userId, { name, picture });
  for (const listener of Array.from(listeners)) listener(userId);
}

/** Calls `listener` with the user whose profile has changed. Returns a function that stops it. */
export function onProfile(listener: (userId: string) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Shows no pictures of other servers, which would learn who reads what. */
export function isOwn(url: string): boolean {
  return URL.parse(url, location.href)?.origin === location.origin;
}
