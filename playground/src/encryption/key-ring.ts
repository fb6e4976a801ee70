import {
  isCommError,
  type CommClient,
  type IdentityChange,
  type MembersChange,
  type Message,
  type TrustState,
} from 'lumen-comm';
import { isUnreadable } from '../lib/people.ts';
import { Cell, type Subscribe } from '../lib/watch.ts';

/** The state of this device: a user has one active device. */
export type DeviceState = 'starting' | 'ready' | 'other-device' | 'locked' | 'failed';

/** The observable state of the user's keys. */
export class KeyRing {
  readonly device = new Cell<DeviceState>('starting');
  /** Changed keys that the user has neither acknowledged nor decided, by user id. Those looked for by `changeOf()`. */
  readonly changes = new Cell<ReadonlyMap<string, IdentityChange>>(new Map());
  /** Changed members that the user has neither acknowledged nor accepted, by conversation id. */
  readonly memberChanges: Cell<ReadonlyMap<string, MembersChange>>;
  /** Users whose stored change has been looked for. */
  readonly #lookedFor = new Set<string>();
  readonly #client: CommClient;
  readonly #userId: string;
  readonly #required = new Cell<ReadonlyMap<string, boolean>>(new Map());
  /** Conversations for which the user has turned encryption off. */
  readonly #inTheClear: Set<string>;
  readonly #trust = new Cell<ReadonlyMap<string, TrustState>>(new Map());

  constructor(client: CommClient, userId: string, signal: AbortSignal) {
    this.#client = client;
    this.#userId = userId;
    const members = read<MembersChange>(keyOf('changed-members', userId));
    this.memberChanges = new Cell(new Map(members.map((change) => [change.conversationId, change])));
    this.#inTheClear = new Set(read<string>(keyOf('in-the-clear', userId)));
    client.on('status', (status) => status === 'connected' && this.#look(), { signal });
    client.on('encryption:identity-changed', (change) => this.#changed(change), { signal });
    client.on('encryption:members-changed', (change) => this.#membersChanged(change), { signal });
    client.on('message:new', (message) => this.#follow(message), { signal });
    client.on('error', (error) => this.#failed(error, false), { signal });
  }

  readonly subscribe: Subscribe = (listener) => {
    const cells = [this.device, this.changes, this.memberChanges, this.#required, this.#trust];
    const stops = cells.map((cell) => cell.subscribe(listener));
    return () => {
      for (const stop of stops) stop();
    };
  };

  /** Whether a conversation requires encryption; false until it is known. */
  isRequired(conversationId: string): boolean {
    const held = this.#required.value.get(conversationId);
    if (held === undefined) {
      this.#setRequired(conversationId, false);
      const asked = this.#client.encryption.isRequired(conversationId);
      asked.then((required) => required && this.#setRequired(conversationId, true)).catch(() => undefined);
    }
    return held === true;
  }

  async setRequired(conversationId: string, required: boolean): Promise<void> {
    await this.#client.encryption.setRequired(conversationId, required);
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

  /** Returns the open change of a user's key, also of an earlier session. */
  changeOf(userId: string): IdentityChange | undefined {
    if (!this.#lookedFor.has(userId)) {
      this.#lookedFor.add(userId);
      const asked = this.#client.encryption.identityChange(userId);
      asked.then((change) => change && this.#changed(change)).catch(() => this.#lookedFor.delete(userId));
    }
    return this.changes.value.get(userId);
  }

  /** Encrypts for the changed members of a conversation from now on, or acknowledges that this is done already. */
  async acceptMembers({ conversationId, accepted }: MembersChange): Promise<void> {
    if (!accepted) await this.#client.encryption.acceptMembers(conversationId);
    const rest = new Map(this.memberChanges.value);
    rest.delete(conversationId);
    this.#keepMemberChanges(rest);
  }

  /** Accepts a changed key, and shows the messages that were held. */
  async accept(change: IdentityChange): Promise<void> {
    await this.#client.encryption.acceptIdentity(change.userId, change.identityKey);
    this.#decided(change);
  }

  /** Keeps the key that was known before, and ignores the changed one. */
  async reject(change: IdentityChange): Promise<void> {
    await this.#client.encryption.rejectIdentity(change.userId);
    this.#decided(change);
  }

  #decided(change: IdentityChange): void {
    const rest = new Map(this.changes.value);
    rest.delete(change.userId);
    this.changes.set(rest);
    this.refreshTrust(change.userId);
  }

  async verify(userId: string, safetyNumber: string): Promise<void> {
    await this.#client.encryption.verify(userId, safetyNumber);
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
    await this.#client.encryption.importBackup(backup, passphrase);
    this.device.set('ready');
  }

  #compared(userId: string): void {
    const change = this.changes.value.get(userId);
    if (change === undefined) this.refreshTrust(userId);
    else this.#decided(change);
  }

  #look(): void {
    this.#client.encryption.ready.then(
      () => this.device.set('ready'),
      (error: unknown) => this.#failed(error, true),
    );
  }

  /** @param isFinal - whether encryption can't be used on this device */
  #failed(error: unknown, isFinal: boolean): void {
    const code = isCommError(error) ? error.code : undefined;
    if (code === 'E2EE_OTHER_DEVICE') this.device.set('other-device');
    else if (code === 'E2EE_LOCKED') this.device.set('locked');
    else if (isFinal) this.device.set('failed');
  }

  #changed(change: IdentityChange): void {
    this.changes.set(new Map(this.changes.value).set(change.userId, change));
    this.refreshTrust(change.userId);
  }

  #membersChanged(change: MembersChange): void {
    this.#keepMemberChanges(new Map(this.memberChanges.value).set(change.conversationId, change));
  }

  /** Turns encryption on in a conversation with an encrypted message, unless the user has turned it off. */
  #follow(message: Message): void {
    const { conversationId, encrypted, senderId, undecrypted } = message;
    // An own message from another device: that device has taken over.
    if (senderId === this.#userId && undecrypted === 'not-for-us') this.device.set('other-device');
    if (encrypted !== true || isUnreadable(message)) return;
    if (senderId !== this.#userId) this.refreshTrust(senderId);
    const isWanted = !this.isRequired(conversationId) && !this.#inTheClear.has(conversationId);
    if (isWanted) void this.setRequired(conversationId, true).catch(() => undefined);
  }

  #setRequired(conversationId: string, required: boolean): void {
    this.#required.set(new Map(this.#required.value).set(conversationId, required));
  }

  #setTrust(userId: string, trust: TrustState): void {
    if (this.#trust.value.get(userId) !== trust) this.#trust.set(new Map(this.#trust.value).set(userId, trust));
  }

  /** Stored, because each change is reported once and must survive a reload. */
  #keepMemberChanges(changes: ReadonlyMap<string, MembersChange>): void {
    this.memberChanges.set(changes);
    localStorage.setItem(keyOf('changed-members', this.#userId), JSON.stringify([...changes.values()]));
  }
}

function keyOf(what: 'changed-members' | 'in-the-clear', userId: string): string {
  return `lumen-comm-playground/${what}/${userId}`;
}

function read<T>(key: string): T[] {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '[]') as T[];
  } catch {
    return [];
  }
}
