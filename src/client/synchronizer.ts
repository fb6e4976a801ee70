import type { ConnectionStatus } from '../transport/connection.ts';
import type { PushFrame, ServerHello } from '../transport/frames.ts';
import type { ClientParts } from './client-parts.ts';
import type { ConnectionHandler } from './connection/connection-manager.ts';
import type { ClientContext } from './context.ts';

/** Runs the steps of every connection, in their order: hello, resync, outbox. */
export class Synchronizer implements ConnectionHandler {
  readonly #context: ClientContext;
  readonly #parts: ClientParts;

  constructor(context: ClientContext, parts: ClientParts) {
    this.#context = context;
    this.#parts = parts;
  }

  greeted(hello: ServerHello | undefined): void {
    const { server, outbox, offline, reader } = this.#parts;
    if (server.update(hello)) outbox.handOver();
    const { userId } = server;
    if (userId !== undefined && offline.current?.identified(userId) === false) reader.current?.forget();
  }

  async resync(isCurrent: () => boolean): Promise<void> {
    const { server, requester, sync, presence, outbox, reader } = this.#parts;
    const { userId } = server;
    await requester.prepare();
    await sync.resync(isCurrent);
    if (!isCurrent()) return;
    await (await presence()).restore();
    if (userId !== undefined && isCurrent()) await outbox.identified(userId);
    if (!isCurrent()) return;
    outbox.online();
    reader.current?.timelines.resume();
    reader.current?.inbox.reload();
  }

  async refresh(isCurrent: () => boolean): Promise<void> {
    const { sync, presence, reader, users, calls } = this.#parts;
    sync.connectionLost();
    reader.current?.inbox.connectionLost();
    await sync.resync(isCurrent);
    if (!isCurrent()) return;
    await (await presence()).restore();
    if (!isCurrent()) return;
    reader.current?.inbox.reload();
    users.current?.refresh();
    calls.current?.refresh();
  }

  pushed(frame: PushFrame): void {
    this.#parts.sync.pushed(frame);
  }

  connectionLost(): void {
    const { requester, sync, outbox, typing, reader, views } = this.#parts;
    requester.connectionLost();
    this.#context.cipher?.current?.connectionLost();
    sync.connectionLost();
    outbox.offline();
    typing.current?.connectionLost();
    reader.current?.timelines.connectionLost();
    reader.current?.inbox.connectionLost();
    views.connectionLost();
  }

  statusChanged(status: ConnectionStatus): void {
    this.#context.emitter.emit('status', status);
  }
}
