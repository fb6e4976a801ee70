import type { ConversationView, IdentityChange } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { KeyedList, type ItemView } from '../lib/keyed-list.ts';
import { isUnreadable, nameOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { confirm } from '../ui/dialog.ts';
import { attempt } from '../ui/toast.ts';
import { restore } from './backup-dialogs.ts';
import type { DeviceState } from './key-ring.ts';
import { compareSafety } from './safety-dialog.ts';

type Notice = { kind: 'change'; change: IdentityChange } | { kind: 'device'; device: 'other-device' | 'locked' };

/** What somebody has to know about keys before they write on. */
export function keyNotices(session: Session, view: ConversationView, signal: AbortSignal): HTMLElement {
  const { keys } = session;
  const rows = h('ul', { class: 'key-notices', 'aria-label': 'Warnings' });
  const list = new KeyedList<Notice>(rows, keyOf, (notice) =>
    notice.kind === 'change' ? changeRow(session, notice.change) : deviceRow(session, notice.device),
  );
  watch(
    [view.subscribe, keys.subscribe],
    () => {
      const { conversation, messages } = view.getSnapshot();
      const members = conversation?.participants.map(({ userId }) => userId) ?? [];
      const notices = members.flatMap((id): Notice[] => {
        const change = keys.changes.value.get(id);
        return change === undefined ? [] : [{ kind: 'change', change }];
      });
      const device = blockedBy(keys.device.value);
      // Who doesn't encrypt need not know.
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
  return notice.kind === 'device' ? notice.device : `${notice.change.userId} ${notice.change.identityKey}`;
}

function blockedBy(device: DeviceState): 'other-device' | 'locked' | undefined {
  return device === 'other-device' || device === 'locked' ? device : undefined;
}

function changeRow(session: Session, change: IdentityChange): ItemView<Notice> {
  const { userId, wasVerified, accepted } = change;
  const name = nameOf(userId);
  const why = accepted
    ? 'They may have a new browser, or somebody is in between. To be sure, compare it with them.'
    : `${wasVerified ? 'You had verified the old one. ' : ''}Nothing is sent to them, or shown, until you accept the new one.`;
  const compare = button({ label: 'Compare', icon: 'key', class: 'button-small' }, () =>
    compareSafety(session, userId),
  );
  const accept = button({ label: accepted ? 'Understood' : 'Accept', class: 'button-small' }, () => {
    void attempt('The key could not be accepted', session.keys.accept(change));
  });
  return row(`${name}’s key has changed`, why, compare, accept);
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
    ? row('Your keys in this browser can not be opened', 'Restore a backup, or begin with new keys.', back, take)
    : row('Your keys are in another browser', 'Encrypted messages are read and written there.', back, take);
}

function row(title: string, text: string, ...actions: readonly HTMLElement[]): ItemView<Notice> {
  const element = h(
    'li',
    { class: 'key-notice', role: 'alert' },
    icon('failed'),
    h('span', { class: 'key-notice-text' }, h('strong', {}, title), h('span', {}, text)),
    h('span', { class: 'key-notice-actions' }, ...actions),
  );
  return { element, update: () => undefined };
}
