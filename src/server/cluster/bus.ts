/** Receives what other processes publish. */
export interface BusListener {
  /** A message of another process on a subscribed channel. */
  received(channel: string, payload: string): void;
  /**
   * Messages on these channels may have been lost: what they told has to be read from the rows. Also called after a
   * connection to the bus was lost and is restored.
   */
  missed(channels: readonly string[]): void;
}

/**
 * Port of the messages between processes. They only wake up the others, because the rows are the truth: a message can be lost,
 * repeated or late, and {@link BusListener.missed} says where one may have been lost. A process doesn't receive its own
 * messages.
 */
export interface Bus {
  /** Sets the listener. Called once, before the first subscription. */
  listen(listener: BusListener): void;
  /** Publishes on a channel. Never throws and never waits: without a connection the message counts as lost. */
  publish(channel: string, payload: string): void;
  /**
   * Receives a channel's messages from now on. Idempotent.
   *
   * @returns a promise that resolves when the subscription is active, or has failed: then `missed` follows after the connection
   *   is restored
   */
  subscribe(channel: string): Promise<void>;
  /** Ends a subscription. Idempotent. */
  unsubscribe(channel: string): void;
  /** Whether messages arrive at present. */
  readonly connected: boolean;
  /** Time in ms that a message last took to arrive, or that one has been on its way; absent if the bus doesn't measure it. */
  readonly lagMs?: number | undefined;
  /** Ends all subscriptions and the connection. Idempotent. */
  close(): Promise<void>;
}
