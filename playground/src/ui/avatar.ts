import type { Conversation, PresenceStatus } from 'lumen-comm';
import { h, setAttributes, setChildren, setText } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { nameOf, otherIn, PRESENCE_LABELS, titleOf } from '../lib/people.ts';

const HUES = 12;

/** Initials on a colour derived from the name. Hidden from screen readers, because the name is shown next to it. */
export function avatar(name: string, size: 'small' | 'medium' | 'large' = 'medium'): HTMLElement {
  const element = h('span', { class: `avatar avatar-${size}`, 'aria-hidden': 'true' });
  setAvatar(element, name);
  return element;
}

export function setAvatar(element: HTMLElement, name: string): void {
  setText(element, initials(name));
  setAttributes(element, { 'data-hue': hueOf(name) });
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== '');
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => Array.from(word ?? '?')[0]?.toUpperCase() ?? '?').join('');
}

function hueOf(name: string): number {
  let hash = 2_166_136_261;
  for (const letter of name.toLowerCase()) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 31) >>> 0;
  return (hash >>> 8) % HUES;
}

/** The avatar of a conversation: the other participant with their presence, or the group avatar. */
export interface ConversationAvatar {
  readonly element: HTMLElement;
  update(conversation: Conversation, ownId: string, presence: PresenceStatus | undefined): void;
}

export function conversationAvatar(size: 'small' | 'medium' | 'large' = 'medium'): ConversationAvatar {
  const picture = avatar('', size);
  const dot = presenceDot();
  const element = h('span', { class: 'avatar-frame' }, picture, dot.element);
  return {
    element,
    update(conversation, ownId, presence) {
      const other = otherIn(conversation, ownId);
      const title = other === undefined ? titleOf(conversation, ownId) : nameOf(other.userId);
      if (conversation.type === 'group') {
        setAttributes(picture, { 'data-hue': hueOf(title), 'data-group': true });
        if (picture.querySelector('.icon') === null) setChildren(picture, icon('group', size === 'small' ? 14 : 20));
      } else setAvatar(picture, title);
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
