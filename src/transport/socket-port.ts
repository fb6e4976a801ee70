/** Why a transport said no before it was connected. */
export interface ConnectRefusal {
  /** A code of the protocol where the server gave one. */
  code?: string | undefined;
  message: string;
}

/** What a transport tells. Each is called in the order things happened on the wire. */
export interface SocketListener {
  /** The connection stands; frames may follow at once. */
  connected(): void;
  /** `byServer`: the server closed it on purpose, so that reconnecting at once is of no use. */
  disconnected(reason: string, byServer: boolean): void;
  /** One attempt failed. The port doesn't try again by itself: `connect()` does. */
  refused(refusal: ConnectRefusal): void;
  /** A frame of `nk:data`, not yet looked at. */
  pushed(frame: unknown): void;
}

/** What the handshake carries, asked anew for every attempt. */
export interface Handshake {
  auth: Record<string, unknown>;
  query: Record<string, string>;
}

/**
 * A connection to one namespace, as the client sees it. One listener, no reconnection and no buffering of its own: what
 * is emitted while disconnected is lost, and who waits for the answer learns it by `disconnected`.
 */
export interface SocketPort {
  /** Sets the listener, before the first `connect()`. */
  listen(listener: SocketListener): void;
  /** Makes one attempt, which ends in `connected` or `refused`, never before this has returned. */
  connect(handshake: Handshake): void;
  /** Closes for good; `disconnected` isn't called for it. */
  disconnect(): void;
  /**
   * Sends one frame.
   *
   * @param acknowledge - gets the peer's reply, unless the connection ends first
   */
  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void;
}
