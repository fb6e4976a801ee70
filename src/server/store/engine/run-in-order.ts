/** Something that has to wait for others. */
export interface Keyed {
  /** What it must not share with what runs at the same time; `undefined` if nothing may run at the same time. */
  readonly keys: readonly string[] | undefined;
}

/**
 * Runs all items, those with a common key in their order and the others at the same time. An item that fails keeps those from
 * starting that would follow it.
 *
 * @returns when all have ended
 * @throws the failure of the first item that failed
 */
export async function runInOrder<T extends Keyed>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const last = new Map<string, Promise<void>>();
  let alone: Promise<void> | undefined;
  const all: Promise<void>[] = [];
  for (const item of items) {
    const before = item.keys === undefined ? [...all] : [alone, ...item.keys.map((key) => last.get(key))];
    const waits = before.filter((each) => each !== undefined);
    const done = waits.length === 0 ? run(item) : Promise.all(waits).then(() => run(item));
    all.push(done);
    if (item.keys === undefined) alone = done;
    else for (const key of item.keys) last.set(key, done);
  }
  const results = await Promise.allSettled(all);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
