import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { lazy, lazyMethods } from '../../lib/lazy.ts';
import type { Conversation, CreateConversation } from '../../protocol/conversations.ts';
import { parseConversation } from '../../transport/parse-rows.ts';
import { unreadable, type ClientContext } from '../context.ts';
import { requireId, requireIds, requireObject } from '../validation.ts';
import type { ManagementRequests } from './management-requests.ts';
import type { Reading } from './reading.ts';

/** Validates requests about conversations and sends them. Those that few clients need at once are in a chunk of their own. */
export class ConversationRequests {
  declare readonly update: ManagementRequests['update'];
  declare readonly list: ManagementRequests['list'];
  declare readonly members: ManagementRequests['members'];
  declare readonly addParticipants: ManagementRequests['addParticipants'];
  declare readonly removeParticipant: ManagementRequests['removeParticipant'];
  declare readonly setRole: ManagementRequests['setRole'];
  declare readonly leave: ManagementRequests['leave'];
  declare readonly archive: ManagementRequests['archive'];
  declare readonly mute: ManagementRequests['mute'];
  declare readonly pin: ManagementRequests['pin'];
  declare readonly markUnread: ManagementRequests['markUnread'];
  declare readonly markAllRead: ManagementRequests['markAllRead'];
  declare readonly browse: ManagementRequests['browse'];
  declare readonly join: ManagementRequests['join'];
  declare readonly ban: ManagementRequests['ban'];
  declare readonly bans: ManagementRequests['bans'];
  readonly #context: ClientContext;
  readonly #reading: Reading;
  readonly #management = lazy(async () => {
    const { ManagementRequests } = await import('./management-requests.ts');
    return new ManagementRequests(this.#context, this.#reading, (answer) => this.#known(answer));
  });

  constructor(context: ClientContext, reading: Reading) {
    this.#context = context;
    this.#reading = reading;
    Object.assign(
      this,
      lazyMethods(this.#management, [
        'update',
        'list',
        'members',
        'addParticipants',
        'removeParticipant',
        'setRole',
        'leave',
        'archive',
        'mute',
        'pin',
        'markUnread',
        'markAllRead',
        'browse',
        'join',
        'ban',
        'bans',
      ]),
    );
  }

  async get(id: string, options: AbortOptions = {}): Promise<Conversation> {
    requireId('id', id);
    await this.#context.whenConnected(options.signal);
    return (await this.#reading()).directory.get(id, options);
  }

  async create(request: CreateConversation, options: AbortOptions = {}): Promise<Conversation> {
    requireObject('conversations.create()', request);
    const { type, name, participantIds, ...settings } = request;
    if (Object.keys(settings).length > 0) await (await this.#management()).checkCreate(request, options);
    requireIds('participantIds', participantIds);
    const payload = { type, participantIds: [...participantIds], ...(name !== undefined && { name }), ...settings };
    await abortable(this.#context.whenConnected(options.signal), options.signal);
    return this.#known(this.#context.requester.request('conversation:create', payload, options));
  }

  /** Reads the conversation of a response into the inbox. */
  async #known(answer: Promise<unknown>): Promise<Conversation> {
    const parsed = answer.then((response) => {
      const conversation = parseConversation(response);
      if (conversation === undefined) throw unreadable('conversation');
      return conversation;
    });
    const known = (conversation: Conversation) => ({ kind: 'known', conversation }) as const;
    const inbox = this.#reading.current?.inbox;
    if (inbox !== undefined) await inbox.request(parsed, known);
    const conversation = await parsed;
    // The inbox has loaded since the request.
    if (inbox === undefined) this.#reading.current?.inbox.apply(known(conversation));
    return conversation;
  }
}
