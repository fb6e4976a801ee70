/*
 * What a request costs besides its base cost of 1, in units of a small request such as `comm:ping`. The weights follow
 * measurements: a row of a list costs a small part of a request, a user who is added costs as much as one, because the user
 * is told.
 */

/** Cost of looking up the users of a list. */
export function lookupWork(ids: readonly unknown[]): number {
  return ids.length / 10;
}

/** Cost of comparing cursors in a `sync`. */
export function cursorWork(cursors: Readonly<Record<string, unknown>>): number {
  return Object.keys(cursors).length / 50;
}

/** Cost of reading a page. @param rows - the limit of the page; `undefined` if it is the server's default */
export function pageWork(rows = 50): number {
  return rows / 50;
}

/** Cost of the files of a message: each is looked up, and who may attach it. */
export function attachmentWork(files: readonly unknown[]): number {
  return files.length / 2;
}

/**
 * Cost of the mentions of a message, each of which is looked up and stored, and of a reply in a thread, which also changes and
 * pushes the root. It doesn't depend on the number of users who follow the thread.
 */
export function threadWork({
  mentions = [],
  threadId,
}: {
  readonly mentions?: readonly unknown[] | undefined;
  readonly threadId?: string | undefined;
}): number {
  return mentions.length / 5 + (threadId === undefined ? 0 : 1);
}

/** Cost of adding users. */
export function addedWork(userIds: readonly unknown[]): number {
  return userIds.length;
}

/** Cost of pushing a change of a conversation to its members. */
export function pushWork(members: number): number {
  return members / 20;
}

/** Size of a parsed payload, in bytes of UTF-8 of its texts and names. Numbers and brackets count a little. */
export function payloadBytes(payload: unknown): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload) + 2;
  if (typeof payload !== 'object' || payload === null) return 8;
  let bytes = 2;
  if (Array.isArray(payload)) {
    for (const each of payload) bytes += 4 + payloadBytes(each);
    return bytes;
  }
  for (const name of Object.keys(payload))
    bytes += Buffer.byteLength(name) + 3 + payloadBytes(Reflect.get(payload, name));
  return bytes;
}
