/** A `Map` of at most `limit` entries: adding another key evicts the entry that was added first. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #limit: number;

  constructor(limit: number) {
    super();
    this.#limit = limit;
  }

  override set(key: K, value: V): this {
    super.set(key, value);
    if (this.size > this.#limit) deleteOldest(this);
    return this;
  }
}

/** A `Set` of at most `limit` values: adding another one evicts the value that was added first. */
export class BoundedSet<T> extends Set<T> {
  readonly #limit: number;

  constructor(limit: number) {
    super();
    this.#limit = limit;
  }

  override add(value: T): this {
    super.add(value);
    if (this.size > this.#limit) deleteOldest(this);
    return this;
  }
}

function deleteOldest<K>(collection: { keys(): Iterable<K>; delete(key: K): boolean }): void {
  for (const oldest of collection.keys()) return void collection.delete(oldest);
}
