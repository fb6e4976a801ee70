import type { PresenceStatus } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { addressOf } from '../app/sign-in.ts';
import { currentTheme, setTheme, THEMES } from '../app/theme.ts';
import { h, on, setText } from '../lib/dom.ts';
import { nameOf, PRESENCE_LABELS, SUGGESTED_PEOPLE } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { avatar, presenceDot } from '../ui/avatar.ts';
import { openMenu, type MenuItem } from '../ui/menu.ts';
import { attempt } from '../ui/toast.ts';

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
  const status = h('span', { class: 'profile-status' });
  const name = nameOf(userId);
  const element = h(
    'button',
    {
      type: 'button',
      class: 'profile',
      'aria-haspopup': 'menu',
      'aria-label': `You are ${name}. Your status, theme and more`,
    },
    h('span', { class: 'avatar-frame' }, avatar(name), dot.element),
    h('span', { class: 'profile-text' }, h('span', { class: 'profile-name' }, name), status),
  );
  const own = (): PresenceStatus | undefined =>
    client.status === 'connected' ? (presence.update(userId)?.status ?? 'online') : undefined;
  on(element, 'click', () => openMenu(element, 'You', items()));
  watch(
    [presence.subscribe, (listener) => client.on('status', listener)],
    () => {
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

  /** Deletes what is stored of the user; the keys of encryption stay in this browser. */
  function signOut(): void {
    const leave = (): void => location.assign(location.pathname);
    client.forget().then(leave, leave);
  }
  return element;
}
