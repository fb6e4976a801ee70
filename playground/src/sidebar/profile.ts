import type { PresenceStatus } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { addressOf } from '../app/sign-in.ts';
import { currentTheme, setTheme, THEMES } from '../app/theme.ts';
import { h, hiddenText, on, setText } from '../lib/dom.ts';
import { onProfile } from '../lib/profiles.ts';
import { MODERATOR, nameOf, PRESENCE_LABELS, SUGGESTED_PEOPLE } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { personAvatar, presenceDot, showName } from '../ui/avatar.ts';
import { openMenu, type MenuItem } from '../ui/menu.ts';
import { attempt, openPanel } from '../ui/toast.ts';

const THEME_LABELS = { system: 'System theme', light: 'Light theme', dark: 'Dark theme' } as const;
const CHOICES: readonly [PresenceStatus, string][] = [
  ['online', 'Online'],
  ['away', 'Away'],
  ['busy', 'Busy'],
  ['offline', 'Appear offline'],
];

/** The user's name and presence, with a menu for presence, theme and developer tools. */
export function profileButton(session: Session, actions: { toggleDrawer: () => void }): HTMLElement {
  const { client, userId, presence, signal } = session;
  const dot = presenceDot();
  const status = h('span', {});
  const name = h('span', {});
  const element = h(
    'button',
    {
      type: 'button',
      class: 'profile',
      'aria-haspopup': 'menu',
    },
    h('span', { class: 'avatar-frame', 'aria-hidden': 'true' }, personAvatar(userId), dot.element),
    h(
      'span',
      { class: 'profile-text' },
      h('span', { class: 'profile-name' }, hiddenText('You are '), name),
      h('span', { class: 'profile-status' }, status, hiddenText('Your status, theme and more')),
    ),
  );
  const own = (): PresenceStatus | undefined =>
    client.status === 'connected' ? (presence.update(userId)?.status ?? 'online') : undefined;
  on(element, 'click', () => openMenu(element, 'You', items()));
  watch(
    [presence.subscribe, onProfile, (listener) => client.on('status', listener)],
    () => {
      showName(name, userId);
      const shown = own();
      dot.update(shown);
      setText(
        status,
        shown === undefined ? 'Not connected' : shown === 'offline' ? 'Appearing offline' : PRESENCE_LABELS[shown],
      );
    },
    signal,
  );

  function items(): MenuItem[] {
    const shown = own();
    const theme = currentTheme();
    return [
      ...CHOICES.map(([choice, label]) => ({
        label,
        checked: choice === shown,
        select: () => void attempt('Your status could not be set', client.presence.set(choice)),
      })),
      'separator',
      { label: 'Edit profile', icon: 'person', select: () => void openPanel(editing(), 'Your profile') },
      { label: 'Blocked people', icon: 'block', select: () => void openPanel(blocked(), 'The list') },
      ...(userId === MODERATOR
        ? [{ label: 'Reports', icon: 'flag' as const, select: () => void openPanel(reports(), 'The reports') }]
        : []),
      'separator',
      ...THEMES.map((each) => ({ label: THEME_LABELS[each], checked: each === theme, select: () => setTheme(each) })),
      'separator',
      ...SUGGESTED_PEOPLE.filter((id) => id !== userId)
        .slice(0, 2)
        .map((id) => ({ label: `Open another window as ${nameOf(id)}`, icon: 'window' as const, href: addressOf(id) })),
      'separator',
      { label: 'Developer tools', icon: 'code', select: actions.toggleDrawer },
      { label: 'Sign out', icon: 'leave', select: signOut },
    ];
  }

  async function editing(): Promise<void> {
    const { editProfile } = await import('../people/profile-dialog.ts');
    editProfile(session);
  }

  async function blocked(): Promise<void> {
    const { showBlocked } = await import('../people/blocked-dialog.ts');
    showBlocked(session);
  }

  async function reports(): Promise<void> {
    const { showReports } = await import('../people/reports-dialog.ts');
    showReports(session);
  }

  /** Deletes what is stored of the user; the keys of encryption stay in this browser. */
  function signOut(): void {
    const leave = (): void => location.assign(location.pathname);
    client.forget().then(leave, leave);
  }
  return element;
}
