import type { CommClient } from '../client/comm-client.ts';

/** Counts what a client has sent since the tools were mounted. */
export class ClientFigures {
  readonly #sent = new Set<string>();
  #stored = 0;
  #connections = 0;

  constructor(client: CommClient, signal: AbortSignal) {
    if (client.status === 'connected') this.#connections = 1;
    client.on('status', (status) => void (status === 'connected' && (this.#connections += 1)), { signal });
    client.on('message:pending', ({ clientId }) => void (clientId !== undefined && this.#sent.add(clientId)), {
      signal,
    });
    client.on('message:new', ({ clientId }) => void (this.#sent.has(clientId ?? '') && (this.#stored += 1)), {
      signal,
    });
  }

  get reconnects(): number {
    return Math.max(0, this.#connections - 1);
  }

  /** Messages of this client, each counted once. */
  get sent(): number {
    return this.#sent.size;
  }

  /** Those of them that the server has stored. */
  get stored(): number {
    return this.#stored;
  }
}
