import type { ConversationView, IdentityChange, MembersChange } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h } from '../lib/dom.ts';
import { listNames } from '../lib/format.ts';
import { icon } from '../lib/icons.ts';
import { KeyedList, type ItemView } from '../lib/keyed-list.ts';
import { isUnreadable, nameOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { confirm } from '../ui/dialog.ts';
import { attempt, openPanel } from '../ui/toast.ts';
import { restore } from './backup-dialogs.ts';
import type { DeviceState } from './key-ring.ts';
import { compareKeys } from './lock-button.ts';

type Notice =
  | { kind: 'change'; change: IdentityChange }
  | { kind: 'members'; change: MembersChange }
  | { kind: 'device'; device: 'other-device' | 'locked' };

/** Warnings about keys and members, above the composer. */
export function keyNotices(session: Session, view: ConversationView, signal: AbortSignal): HTMLElement {
  const { keys } = session;
  const rows = h('ul', { class: 'key-notices', 'aria-label': 'Warnings' });
  const list = new KeyedList<Notice>(rows, keyOf, (notice) => {
    if (notice.kind === 'change') return changeRow(session, notice.change);
    return notice.kind === 'members' ? membersRow(session, notice.change) : deviceRow(session, notice.device);
  });
  watch(
    [view.subscribe, keys.subscribe],
    () => {
      const { conversation, messages } = view.getSnapshot();
      const userIds = conversation?.participants.map(({ userId }) => userId) ?? [];
      const notices = userIds.flatMap((id): Notice[] => {
        const change = keys.changeOf(id);
        return change === undefined ? [] : [{ kind: 'change', change }];
      });
      const members = keys.memberChanges.value.get(view.id);
      if (members !== undefined) notices.unshift({ kind: 'members', change: members });
      const device = blockedBy(keys.device.value);
      // Not shown if the conversation isn't encrypted.
      if (device !== undefined && (keys.isRequired(view.id) || messages.some(isUnreadable)))
        notices.unshift({ kind: 'device', device });
      list.render(notices);
      rows.hidden = notices.length === 0;
    },
    signal,
  );
  return rows;
}

function keyOf(notice: Notice): string {
  if (notice.kind === 'device') return notice.device;
  if (notice.kind === 'members') return JSON.stringify(notice.change);
  return `${notice.change.userId} ${notice.change.identityKey}`;
}

function blockedBy(device: DeviceState): 'other-device' | 'locked' | undefined {
  return device === 'other-device' || device === 'locked' ? device : undefined;
}

function changeRow(session: Session, change: IdentityChange): ItemView<Notice> {
  const { userId, wasVerified, accepted } = change;
  const name = nameOf(userId);
  const why = accepted
    ? 'They may have a new browser, or someone may be intercepting the messages. To be sure, compare it with them.'
    : `${wasVerified ? 'You had verified the old one. ' : ''}Nothing is sent to them, or shown, until you accept the new one.`;
  const compare = button(
    { label: 'Compare', icon: 'key', class: 'button-small' },
    () => void openPanel(compareKeys(session, userId), 'The dialog'),
  );
  const accept = button({ label: accepted ? 'Understood' : 'Accept', class: 'button-small' }, () => {
    void attempt('The key could not be accepted', session.keys.accept(change));
  });
  const reject = button({ label: 'Keep the old one', class: 'button-small' }, () => {
    void attempt('The key could not be rejected', session.keys.reject(change));
  });
  return row(`${name}’s key has changed`, why, compare, ...(accepted ? [] : [reject]), accept);
}

function membersRow({ keys }: Session, change: MembersChange): ItemView<Notice> {
  const { added, removed, accepted, reportedBy } = change;
  const names = (ids: readonly string[]): string => listNames(ids.map(nameOf), 6);
  const parts = [
    added.length > 0 && `Added: ${names(added)}.`,
    removed.length > 0 && `Gone: ${names(removed)}.`,
    reportedBy !== undefined && `${nameOf(reportedBy)} encrypts messages for these members.`,
    accepted ? 'Your messages are encrypted for the current members.' : 'Nothing is sent until you accept them.',
  ];
  const accept = button({ label: accepted ? 'Understood' : 'Accept', class: 'button-small' }, () => {
    void attempt('The members could not be accepted', keys.acceptMembers(change));
  });
  return row('The members of this chat have changed', parts.filter((part) => part !== false).join(' '), accept);
}

function deviceRow(session: Session, device: 'other-device' | 'locked'): ItemView<Notice> {
  const { keys } = session;
  const back = button({ label: 'Restore a backup', class: 'button-small' }, () => restore(session));
  const take = button({ label: 'Use this browser', class: 'button-small' }, () => {
    const ask = async (): Promise<void> => {
      const text =
        'Encrypted messages are then read and written here, and no longer in the other browser. The people you chat with see that your key has changed, and what was encrypted so far can not be read here.';
      if (!(await confirm({ title: 'Use this browser?', text, action: 'Use this browser' }))) return;
      await attempt('This browser could not take over', device === 'locked' ? keys.reset() : keys.takeOver());
    };
    void ask();
  });
  return device === 'locked'
    ? row('Your keys in this browser can not be opened', 'Restore a backup, or create new keys.', back, take)
    : row('Your keys are in another browser', 'Encrypted messages are read and written there.', back, take);
}

function row(title: string, text: string, ...actions: readonly HTMLElement[]): ItemView<Notice> {
  const element = h(
    'li',
    { class: 'key-notice' },
    icon('failed'),
    h('span', { class: 'key-notice-text', role: 'alert' }, h('strong', {}, title), h('span', {}, text)),
    h('span', { class: 'key-notice-actions' }, ...actions),
  );
  return { element, update: () => undefined };
}
