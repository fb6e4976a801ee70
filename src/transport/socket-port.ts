/** Why a connection attempt failed. */
export interface ConnectRefusal {
  /** The server's error code, if it sent one. */
  code?: string | undefined;
  message: string;
  /** The transport's own error. Its `data` is what the server sent along, for example `retryAfterMs` and `reason`. */
  cause?: unknown;
}

/** Callbacks of a {@link SocketPort}, called in the order of the events on the connection. */
export interface SocketListener {
  /** The connection is established; frames may follow immediately. */
  connected(): void;
  /** The connection was lost. `byServer`: the server closed it deliberately. */
  disconnected(reason: string, byServer: boolean): void;
  /** The attempt failed. The port doesn't retry; call `connect()` again. */
  refused(refusal: ConnectRefusal): void;
  /** An `nk:data` frame has arrived. It is not validated. */
  pushed(frame: unknown): void;
}

/** Content of the handshake of one attempt. */
export interface Handshake {
  auth: Record<string, unknown>;
  query: Record<string, string>;
}

/**
 * A connection to one Socket.IO namespace. It has one listener, and neither reconnects nor buffers: frames emitted while
 * disconnected are lost. `disconnected` implies that no pending acknowledgement will arrive.
 */
export interface SocketPort {
  /** Sets the listener. Must be called before the first `connect()`. */
  listen(listener: SocketListener): void;
  /** Starts one attempt. `connected` or `refused` is called after this method has returned. */
  connect(handshake: Handshake): void;
  /** Closes the connection or attempt without calling `disconnected`. */
  disconnect(): void;
  /**
   * Sends one frame.
   *
   * @param acknowledge - called with the peer's reply, unless the connection is lost first
   */
  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void;
}
