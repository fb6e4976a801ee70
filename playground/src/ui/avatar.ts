import type { Conversation, PresenceStatus } from 'lumen-comm';
import { h, on, setAttributes, setChildren, setText } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { nameOf, otherIn, PRESENCE_LABELS, titleOf } from '../lib/people.ts';
import { isOwn, onProfile, profileOf } from '../lib/profiles.ts';

type Size = 'small' | 'medium' | 'large';

/**
 * Initials on a color derived from the id. Hidden from screen readers, because the name is shown next to it.
 *
 * @param id - default: the name
 */
export function avatar(name: string, size: Size = 'medium', id = name): HTMLElement {
  const element = h('span', { class: `avatar avatar-${size}`, 'aria-hidden': 'true' });
  setAvatar(element, name, id);
  return element;
}

function setAvatar(element: HTMLElement, name: string, id: string, picture?: string): void {
  const text = initials(name);
  const held = element.querySelector('img');
  const isShown = element.firstChild?.textContent === text && (held?.getAttribute('src') ?? undefined) === picture;
  if (!isShown) setChildren(element, text, picture !== undefined && pictureOf(picture));
  element.style.setProperty('--hue', String(hueOf(id)));
}

/** The picture of a user, or their initials. Changes with the profile. */
export function personAvatar(userId: string, size: Size = 'medium'): HTMLElement {
  const element = avatar('', size, userId);
  showPerson(element, userId);
  return element;
}

export function showPerson(element: HTMLElement, userId: string): void {
  setAttributes(element, { 'data-person': userId });
  setAvatar(element, nameOf(userId), userId, profileOf(userId)?.picture);
}

/** Shows the name of a user in an element, and keeps it in step with the profile. */
export function showName(element: HTMLElement, userId: string): void {
  setAttributes(element, { 'data-name-of': userId });
  setText(element, nameOf(userId));
}

onProfile((userId) => {
  const id = CSS.escape(userId);
  document.querySelectorAll<HTMLElement>(`[data-person="${id}"]`).forEach((each) => showPerson(each, userId));
  document.querySelectorAll<HTMLElement>(`[data-name-of="${id}"]`).forEach((each) => showName(each, userId));
});

/** A picture over the initials, which stay if it can't be loaded. */
function pictureOf(url: string): HTMLElement {
  const image = h('img', { class: 'avatar-picture', src: url, alt: '', referrerpolicy: 'no-referrer' });
  return on(image, 'error', () => image.remove());
}

function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter((word) => word !== '');
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => Array.from(word ?? '?')[0]?.toUpperCase() ?? '?').join('');
}

/** Returns a hue for an id: FNV-1a with a final mix, so that ids that differ in one letter differ in color. */
function hueOf(id: string): number {
  let hash = 0x811c9dc5;
  for (const letter of id) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % 360;
}

/** The picture of a group, or an icon. */
export function showGroup(element: HTMLElement, id: string, avatarUrl: string | undefined): void {
  setAttributes(element, { 'data-group': true });
  element.style.setProperty('--hue', String(hueOf(id)));
  const picture = avatarUrl !== undefined && isOwn(avatarUrl) ? avatarUrl : undefined;
  const held = element.querySelector('img')?.getAttribute('src') ?? undefined;
  if (element.querySelector('.icon') !== null && held === picture) return;
  const isSmall = element.classList.contains('avatar-small');
  setChildren(element, icon('group', isSmall ? 14 : 20), picture !== undefined && pictureOf(picture));
}

/** The avatar of a conversation: the other participant with their presence, or the group avatar. */
export interface ConversationAvatar {
  readonly element: HTMLElement;
  update(conversation: Conversation, ownId: string, presence: PresenceStatus | undefined): void;
}

export function conversationAvatar(size: Size = 'medium'): ConversationAvatar {
  const picture = avatar('', size);
  const dot = presenceDot();
  const element = h('span', { class: 'avatar-frame' }, picture, dot.element);
  return {
    element,
    update(conversation, ownId, presence) {
      const other = otherIn(conversation, ownId);
      if (other !== undefined) showPerson(picture, other.userId);
      else if (conversation.type === 'group') showGroup(picture, conversation.id, conversation.avatarUrl);
      else setAvatar(picture, titleOf(conversation, ownId), conversation.id);
      dot.update(other === undefined ? undefined : presence);
    },
  };
}

/** Each status has its own shape in addition to its color. */
export function presenceDot(): { element: HTMLElement; update(status: PresenceStatus | undefined): void } {
  const element = h('span', { class: 'presence-dot' });
  return {
    element,
    update(status) {
      const label = status === undefined ? undefined : PRESENCE_LABELS[status];
      setAttributes(element, {
        'data-presence': status,
        hidden: status === undefined,
        role: 'img',
        'aria-label': label,
        title: label,
      });
    },
  };
}
