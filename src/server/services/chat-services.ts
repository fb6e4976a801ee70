import { ConversationsService } from './conversations.ts';
import type { ServiceDeps } from './deps.ts';
import { HistoryService } from './history.ts';
import { MembershipService } from './membership.ts';
import { MessagesService } from './messages.ts';
import { ReadingService } from './reading.ts';
import { SendingService } from './sending.ts';
import { SyncService } from './sync.ts';

/** Everything durable about chatting, wired. */
export interface ChatServices {
  readonly sending: SendingService;
  readonly messages: MessagesService;
  readonly reading: ReadingService;
  readonly history: HistoryService;
  readonly conversations: ConversationsService;
  readonly membership: MembershipService;
  readonly sync: SyncService;
}

export function createChatServices(deps: ServiceDeps): ChatServices {
  const conversations = new ConversationsService(deps);
  return {
    sending: new SendingService(deps),
    messages: new MessagesService(deps),
    reading: new ReadingService(deps),
    history: new HistoryService(deps),
    conversations,
    membership: new MembershipService(deps, conversations),
    sync: new SyncService(deps),
  };
}
