import { Dispatcher } from '../../../src/client/outbox/dispatcher.ts';
import type { OutboxItem } from '../../../src/client/outbox/outbox-item.ts';
import { Outbox } from '../../../src/client/outbox/outbox.ts';
import type { OutboxPorts } from '../../../src/client/outbox/remote-tabs.ts';
import { memoryStorage, type CommStorage } from '../../../src/index.ts';
import { lazy } from '../../../src/lib/lazy.ts';
import type { Deferred } from '../../../src/lib/deferred.ts';
import { CommError, type ErrorCode } from '../../../src/protocol/errors.ts';
import { fakeContext } from './context.ts';
import { settle } from './fake-socket.ts';

/** What is around a sender, worked by hand. Items are known by one digit. */
export class OutboxRig {
  readonly context = fakeContext();
  readonly log: string[] = [];
  storage: CommStorage = memoryStorage();
  /** What a base server's history shows of a message that may have been stored; by default nothing. */
  found: Deferred<unknown> | undefined;
  searches = 0;

  start(): Outbox {
    const { log } = this;
    const short = ({ clientId }: OutboxItem): string => clientId.slice(-1);
    const ports: OutboxPorts = {
      queued: (item, isNew) => log.push(`${isNew ? 'queued' : 'restored'} ${short(item)}`),
      stored: (item) => log.push(`stored ${short(item)}`),
      failed: (item, error) => log.push(`failed ${short(item)} ${error?.code ?? ''}`),
      retried: (item) => log.push(`retried ${short(item)}`),
      discarded: (item) => log.push(`discarded ${short(item)}`),
      uploads: lazy(() => Promise.reject(new Error('No message of these tests has files'))),
      findStored: () => {
        this.searches += 1;
        return this.found?.promise ?? Promise.resolve(undefined);
      },
    };
    return new Outbox(this.context, this.storage, ports, () => Promise.resolve({ Dispatcher }));
  }

  id(n: number): string {
    return `0197a000-0000-7000-8000-00000000000${n}`;
  }

  add(sender: Outbox, n: number): Promise<unknown> {
    const clientId = this.id(n);
    const payload = { conversationId: 'c', content: `${n}`, type: 'text' as const, clientId };
    const sending = sender.add({ clientId, lane: 'c', operation: { name: 'message:send', payload } });
    sending.catch(() => undefined);
    return sending;
  }

  edit(sender: Outbox, n: number, lane = 'c'): Promise<unknown> {
    const payload = { conversationId: lane, messageId: '1', content: `edit ${n}` };
    const editing = sender.add({ clientId: this.id(n), lane, operation: { name: 'message:edit', payload } });
    editing.catch(() => undefined);
    return editing;
  }

  /** Something else is asked for, and stored. */
  async store(sender: Outbox, lane: string): Promise<void> {
    void this.edit(sender, 9, lane);
    await settle();
    await this.answer(
      this.context.asked.findLastIndex(({ payload }) => (payload as { content: string }).content === 'edit 9'),
    );
  }

  /** What has gone out so far. */
  get sent(): string {
    return this.context.asked.map(({ payload }) => (payload as { content: string }).content).join(' ');
  }

  answer(at: number, data: unknown = {}): Promise<void> {
    this.context.asked[at]?.answer.resolve(data);
    return settle();
  }

  refuse(at: number, code: ErrorCode, retryAfterMs?: number): Promise<void> {
    this.context.asked[at]?.answer.reject(new CommError(code, 'no', { retryAfterMs }));
    return settle();
  }

  /** What is kept of alice. */
  async stored(): Promise<string[]> {
    return (await this.storage.list('alice/outbox/')).map(([key]) => key.slice(-1));
  }

  async online(sender: Outbox): Promise<void> {
    await sender.identified(this.context.user ?? '');
    await sender.settled();
    sender.online();
    await settle();
  }
}
