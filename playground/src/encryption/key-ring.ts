import { isCommError, type CommClient, type IdentityChange, type Message, type TrustState } from 'lumen-comm';
import { isUnreadable } from '../lib/people.ts';
import { Cell, type Subscribe } from '../lib/watch.ts';

/** How this browser stands: one device of a user is the active one. */
export type DeviceState = 'starting' | 'ready' | 'other-device' | 'locked' | 'failed';

/** What this page knows about keys, as something that can be watched. */
export class KeyRing {
  readonly device = new Cell<DeviceState>('starting');
  /** Keys that have changed and that nobody has looked at, by user id. */
  readonly changes: Cell<ReadonlyMap<string, IdentityChange>>;
  readonly #client: CommClient;
  readonly #userId: string;
  readonly #required = new Cell<ReadonlyMap<string, boolean>>(new Map());
  /** Where the user has said that nothing is to be encrypted. */
  readonly #inTheClear: Set<string>;
  readonly #trust = new Cell<ReadonlyMap<string, TrustState>>(new Map());

  constructor(client: CommClient, userId: string, signal: AbortSignal) {
    this.#client = client;
    this.#userId = userId;
    const changes = read<IdentityChange>(keyOf('changed-keys', userId));
    this.changes = new Cell(new Map(changes.map((change) => [change.userId, change])));
    this.#inTheClear = new Set(read<string>(keyOf('in-the-clear', userId)));
    client.on('status', (status) => status === 'connected' && this.#look(), { signal });
    client.on('encryption:identity-changed', (change) => this.#changed(change), { signal });
    client.on('message:new', (message) => this.#follow(message), { signal });
    client.on('error', (error) => this.#failed(error, false), { signal });
  }

  readonly subscribe: Subscribe = (listener) => {
    const stops = [this.device, this.changes, this.#required, this.#trust].map((cell) => cell.subscribe(listener));
    return () => {
      for (const stop of stops) stop();
    };
  };

  /** Whether what is written in a conversation is encrypted; false until that is known. */
  isRequired(conversationId: string): boolean {
    const held = this.#required.value.get(conversationId);
    if (held === undefined) {
      this.#setRequired(conversationId, false);
      const asked = this.#client.encryption.isRequired(conversationId);
      asked.then((required) => required && this.#setRequired(conversationId, true)).catch(() => undefined);
    }
    return held === true;
  }

  async require(conversationId: string, required: boolean): Promise<void> {
    await this.#client.encryption.require(conversationId, required);
    if (required) this.#inTheClear.delete(conversationId);
    else this.#inTheClear.add(conversationId);
    localStorage.setItem(keyOf('in-the-clear', this.#userId), JSON.stringify([...this.#inTheClear]));
    this.#setRequired(conversationId, required);
  }

  trustOf(userId: string): TrustState {
    const held = this.#trust.value.get(userId);
    if (held === undefined) {
      this.#setTrust(userId, 'unknown');
      this.refreshTrust(userId);
    }
    return held ?? 'unknown';
  }

  refreshTrust(userId: string): void {
    const asked = this.#client.encryption.trust(userId);
    asked.then((trust) => this.#setTrust(userId, trust)).catch(() => undefined);
  }

  /** The new key is theirs: as far as that isn't clear already, what was held is shown. */
  async accept(change: IdentityChange): Promise<void> {
    if (!change.accepted) await this.#client.encryption.acceptIdentity(change.userId, change.identityKey);
    const rest = new Map(this.changes.value);
    rest.delete(change.userId);
    this.#keepChanges(rest);
    this.refreshTrust(change.userId);
  }

  async verify(userId: string): Promise<void> {
    await this.#client.encryption.verify(userId);
    this.#compared(userId);
  }

  async verifyQr(userId: string, scanned: string): Promise<boolean> {
    const isSame = await this.#client.encryption.verifyQr(userId, scanned);
    if (isSame) this.#compared(userId);
    return isSame;
  }

  async takeOver(): Promise<void> {
    await this.#client.encryption.takeOver();
    this.device.set('ready');
  }

  async reset(): Promise<void> {
    await this.#client.encryption.reset();
    this.#look();
  }

  async restore(backup: Uint8Array, passphrase: string): Promise<void> {
    await this.#client.encryption.import(backup, passphrase);
    this.device.set('ready');
  }

  #compared(userId: string): void {
    const change = this.changes.value.get(userId);
    if (change === undefined) this.refreshTrust(userId);
    else void this.accept({ ...change, accepted: true });
  }

  #look(): void {
    this.#client.encryption.ready.then(
      () => this.device.set('ready'),
      (error: unknown) => this.#failed(error, true),
    );
  }

  /** @param isFinal - without these keys there is no encryption here */
  #failed(error: unknown, isFinal: boolean): void {
    const code = isCommError(error) ? error.code : undefined;
    if (code === 'E2EE_OTHER_DEVICE') this.device.set('other-device');
    else if (code === 'E2EE_LOCKED') this.device.set('locked');
    else if (isFinal) this.device.set('failed');
  }

  #changed(change: IdentityChange): void {
    this.#keepChanges(new Map(this.changes.value).set(change.userId, change));
    this.refreshTrust(change.userId);
  }

  /** Whoever is answered in secret answers in secret, unless they have said otherwise. */
  #follow(message: Message): void {
    const { conversationId, encrypted, senderId, undecrypted } = message;
    // Written by oneself, and not here: another browser has taken over.
    if (senderId === this.#userId && undecrypted === 'not-for-us') this.device.set('other-device');
    if (encrypted !== true || isUnreadable(message)) return;
    if (senderId !== this.#userId) this.refreshTrust(senderId);
    const isWanted = !this.isRequired(conversationId) && !this.#inTheClear.has(conversationId);
    if (isWanted) void this.require(conversationId, true).catch(() => undefined);
  }

  #setRequired(conversationId: string, required: boolean): void {
    this.#required.set(new Map(this.#required.value).set(conversationId, required));
  }

  #setTrust(userId: string, trust: TrustState): void {
    if (this.#trust.value.get(userId) !== trust) this.#trust.set(new Map(this.#trust.value).set(userId, trust));
  }

  /** They are told once: a reload must not hide them. */
  #keepChanges(changes: ReadonlyMap<string, IdentityChange>): void {
    this.changes.set(changes);
    localStorage.setItem(keyOf('changed-keys', this.#userId), JSON.stringify([...changes.values()]));
  }
}

function keyOf(what: 'changed-keys' | 'in-the-clear', userId: string): string {
  return `lumen-comm-playground/${what}/${userId}`;
}

function read<T>(key: string): T[] {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '[]') as T[];
  } catch {
    return [];
  }
}
