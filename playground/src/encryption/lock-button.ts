import type { ConversationView } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { setAttributes } from '../lib/dom.ts';
import { setIcon } from '../lib/icons.ts';
import { nameOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { announce } from '../ui/announcer.ts';
import { iconButton } from '../ui/button.ts';
import { openMenu, type MenuItem } from '../ui/menu.ts';
import { attempt, openPanel } from '../ui/toast.ts';
import { backUp, restore } from './backup-dialogs.ts';

const MOST_COMPARED = 8;

/** Shows whether the conversation is encrypted; its menu contains all actions about keys. */
export function lockButton(session: Session, view: ConversationView, signal: AbortSignal): HTMLButtonElement {
  const { keys } = session;
  const element = iconButton(
    { label: 'Not encrypted', icon: 'lock-open', class: 'lock', attributes: { 'aria-haspopup': 'menu' } },
    () => openEncryptionMenu(session, view, element),
  );
  watch(
    [view.subscribe, keys.subscribe],
    () => {
      const others = othersIn(session, view);
      const isOn = keys.isRequired(view.id);
      const isVerified = isOn && others.length > 0 && others.every((id) => keys.trustOf(id) === 'verified');
      const label = isVerified ? 'Encrypted and verified' : isOn ? 'Encrypted' : 'Not encrypted';
      setAttributes(element, { 'aria-label': `${label}: change`, title: label, 'data-on': isOn });
      setIcon(element, isVerified ? 'shield' : isOn ? 'lock' : 'lock-open');
    },
    signal,
  );
  return element;
}

/** Opens the menu with all actions about keys. */
export function openEncryptionMenu(session: Session, view: ConversationView, anchor: HTMLElement): void {
  openMenu(anchor, 'Encryption', menuItems(session, view));
}

/** Opens the dialog that compares the keys with a user. */
export async function compareKeys(session: Session, userId: string): Promise<void> {
  const { compareSafety } = await import('./safety-dialog.ts');
  compareSafety(session, userId);
}

function othersIn({ userId }: Session, view: ConversationView): string[] {
  const participants = view.getSnapshot().conversation?.participants ?? [];
  return participants.map((each) => each.userId).filter((id) => id !== userId);
}

function menuItems(session: Session, view: ConversationView): MenuItem[] {
  const { keys } = session;
  const isOn = keys.isRequired(view.id);
  const change = async (): Promise<void> => {
    const changed = keys.setRequired(view.id, !isOn).then(() => true);
    if ((await attempt('Encryption could not be changed', changed)) === true)
      announce(isOn ? 'New messages are not encrypted' : 'New messages are encrypted');
  };
  const items: MenuItem[] = [
    { heading: isOn ? 'New messages here are encrypted' : 'New messages here are not encrypted' },
    {
      label: isOn ? 'Stop encrypting' : 'Encrypt from now on',
      icon: isOn ? 'lock-open' : 'lock',
      select: () => void change(),
    },
    'separator',
  ];
  for (const id of othersIn(session, view).slice(0, MOST_COMPARED)) {
    const isVerified = keys.trustOf(id) === 'verified';
    items.push({
      label: isVerified ? `${nameOf(id)} is verified` : `Compare keys with ${nameOf(id)}`,
      icon: isVerified ? 'shield' : 'key',
      select: () => void openPanel(compareKeys(session, id), 'The dialog'),
    });
  }
  items.push(
    'separator',
    { label: 'Back up your keys', icon: 'archive', select: () => backUp(session) },
    { label: 'Restore your keys', icon: 'retry', select: () => restore(session) },
  );
  return items;
}
