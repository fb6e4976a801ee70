import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { callLogOf, logWords } from '../lib/call-log.ts';
import { h } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { button } from '../ui/button.ts';

/** The message row of a past call, with a button to call back. */
export function callLogRow(session: Session, message: Message): Node[] {
  const { calls, client, userId } = session;
  const log = callLogOf(message);
  if (log === undefined) return [new Text('Call')];
  const back = button({ label: 'Call back', class: 'button-link' }, () => {
    const { conversations } = client.conversations.inbox.getSnapshot();
    const conversation = conversations.find(({ id }) => id === message.conversationId);
    if (conversation === undefined) return;
    calls.start({ conversationId: conversation.id, type: log.callType, calleeIds: calls.calleesOf(conversation) });
  });
  const isOwn = message.senderId === userId;
  const isMissed = !isOwn && log.outcome !== 'completed' && log.outcome !== 'rejected';
  return [
    h(
      'span',
      { class: 'call-row', 'data-missed': isMissed },
      icon(log.callType === 'video' ? 'camera' : 'phone', 18),
      h('span', { class: 'call-row-words' }, logWords(log, isOwn)),
      back,
    ),
  ];
}
