import { DepartureService } from './departure-service.ts';
import { MessagePolicy } from '../moderation/message-policy.ts';
import { ReportService } from '../moderation/report-service.ts';
import { ConversationService } from './conversation-service.ts';
import { GroupService } from './group-service.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { HistoryService } from './history-service.ts';
import { MembershipService } from './membership-service.ts';
import { MessageService } from './message-service.ts';
import { ReceiptService } from './receipt-service.ts';
import { SendService } from './send-service.ts';
import { SyncService } from './sync-service.ts';
import { ThreadService } from './threads/thread-service.ts';

/** Services of durable chat state. */
export interface ChatServices {
  readonly sending: SendService;
  readonly messages: MessageService;
  readonly reports: ReportService;
  readonly receipts: ReceiptService;
  readonly history: HistoryService;
  readonly conversations: ConversationService;
  readonly membership: MembershipService;
  readonly departures: DepartureService;
  readonly groups: GroupService;
  readonly sync: SyncService;
  readonly threads: ThreadService;
}

/** Constructs the chat services. */
export function createChatServices(deps: ServiceDeps): ChatServices {
  const conversations = new ConversationService(deps);
  const policy = new MessagePolicy(deps);
  return {
    sending: new SendService(deps, policy),
    messages: new MessageService(deps, policy),
    reports: new ReportService(deps),
    receipts: new ReceiptService(deps),
    history: new HistoryService(deps),
    conversations,
    membership: new MembershipService(deps, conversations),
    departures: new DepartureService(deps, conversations),
    groups: new GroupService(deps, conversations),
    sync: new SyncService(deps),
    threads: new ThreadService(deps),
  };
}
