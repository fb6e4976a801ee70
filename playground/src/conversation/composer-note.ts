import type { ConversationView } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { isManager, pauseText } from '../groups/group-rules.ts';
import { h, setChildren } from '../lib/dom.ts';
import { nameOf, otherIn } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import type { Composer } from './composer.ts';

/** What limits writing: a frozen group, slow mode, or a block. */
export function composerNote(
  { userId, blocks }: Session,
  view: ConversationView,
  composer: Composer,
  signal: AbortSignal,
): HTMLElement {
  const element = h('p', { class: 'composer-note', role: 'status', hidden: true });
  let shown = '';
  const render = (): void => {
    const { conversation } = view.getSnapshot();
    if (conversation === undefined) return;
    const { frozen, slowModeSeconds = 0, participants } = conversation;
    const mayManage = isManager(participants.find((each) => each.userId === userId));
    const isFrozen = frozen === true && !mayManage;
    const other = otherIn(conversation, userId);
    const blocked = other !== undefined && blocks.blocked.value.has(other.userId) ? other.userId : undefined;
    composer.setFrozen(isFrozen);
    const text =
      blocked !== undefined
        ? `You have blocked ${nameOf(blocked)}.`
        : isFrozen
          ? 'Only owner and admins can write in this group.'
          : slowModeSeconds > 0 && !mayManage
            ? `Slow mode: one message every ${pauseText(slowModeSeconds).replace(/^1 /, '')}.`
            : '';
    if (text === shown) return;
    shown = text;
    element.hidden = text === '';
    const unblock = (): void => {
      if (blocked !== undefined) void blocks.set(blocked, false);
    };
    setChildren(element, text, blocked !== undefined && button({ label: 'Unblock', class: 'button-link' }, unblock));
  };
  watch([view.subscribe, blocks.blocked.subscribe], render, signal);
  return element;
}
