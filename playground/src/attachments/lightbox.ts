import type { MessageAttachment } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setChildren, setText } from '../lib/dom.ts';
import { childAbort } from '../lib/watch.ts';
import { iconButton } from '../ui/button.ts';
import { loadFile, thumbnailOf } from './load-file.ts';
import { showPlaceholder } from './placeholder.ts';
import { saveFile } from './save-file.ts';

/**
 * Shows pictures one at a time, over the whole page. Arrow keys change the picture, Escape and a click beside it close. The
 * focus stays inside, and returns to the element that had it.
 *
 * @param pictures - returns the pictures as they are now: they get other URLs when their message was sent
 * @param signal - aborts when the message is not shown anymore, which closes the dialog
 */
export function openLightbox(
  session: Session,
  pictures: () => readonly MessageAttachment[],
  first: number,
  signal: AbortSignal,
): void {
  const scope = childAbort(signal);
  let at = first;
  let shown = childAbort(scope.signal);
  const close = (): void => element.close();
  const name = h('span', { class: 'lightbox-name', dir: 'auto' });
  const position = h('span', { class: 'lightbox-position' });
  const save = iconButton({ label: 'Download', icon: 'download' }, () => {
    const picture = pictures()[at];
    if (picture !== undefined) void saveFile(session, picture);
  });
  const closing = iconButton({ label: 'Close', icon: 'close', attributes: { autofocus: true } }, close);
  const previous = iconButton({ label: 'Previous photo', icon: 'back', class: 'lightbox-previous' }, () =>
    show(at - 1),
  );
  const next = iconButton({ label: 'Next photo', icon: 'next', class: 'lightbox-next' }, () => show(at + 1));
  const stage = h('div', { class: 'lightbox-stage' });
  const element = h(
    'dialog',
    { class: 'lightbox', 'aria-label': 'Photos', tabindex: -1 },
    h('header', { class: 'lightbox-header' }, h('div', { role: 'status' }, name, position), save, closing),
    stage,
    previous,
    next,
  );

  function show(wanted: number): void {
    const all = pictures();
    if (all.length === 0) return close();
    const picture = all[wanted];
    if (picture === undefined) return;
    at = wanted;
    shown.abort();
    shown = childAbort(scope.signal);
    setText(name, picture.fileName);
    setText(position, all.length > 1 ? `${at + 1} of ${all.length}` : '');
    // Not `disabled`, which would lose the focus.
    setAttributes(previous, { 'aria-disabled': at === 0 ? 'true' : undefined });
    setAttributes(next, { 'aria-disabled': at === all.length - 1 ? 'true' : undefined });
    previous.hidden = next.hidden = all.length === 1;
    setChildren(
      stage,
      pictureOf(session, () => pictures()[wanted] ?? picture, shown.signal),
    );
  }

  on(element, 'keydown', (event) => {
    if (event.key === 'ArrowLeft') show(at - 1);
    else if (event.key === 'ArrowRight') show(at + 1);
    else if (event.key === 'Home') show(0);
    else if (event.key === 'End') show(pictures().length - 1);
    else if (event.key === 'Tab') keepFocus(event, element);
    else return;
    if (event.key !== 'Tab') event.preventDefault();
  });
  on(element, 'click', (event) => {
    if (event.target === element || event.target === stage || event.target === stage.firstChild) close();
  });
  on(element, 'close', () => {
    scope.abort();
    element.remove();
  });
  scope.signal.addEventListener('abort', close);
  show(first);
  document.body.append(element);
  element.showModal();
}

/** The thumbnail, until the picture itself has loaded. */
function pictureOf(session: Session, current: () => MessageAttachment, signal: AbortSignal): HTMLElement {
  const picture = current();
  const { fileName, width = 0, height = 0, placeholder } = picture;
  const full = h('img', { alt: fileName });
  const box = h('div', { class: 'lightbox-picture' }, full);
  if (width > 0 && height > 0) {
    box.style.width = `min(100cqw, 100cqh * ${width / height}, ${width}px)`;
    box.style.aspectRatio = `${width} / ${height}`;
    showPlaceholder(box, placeholder);
  }
  const failed = (): void => setChildren(box, h('p', {}, 'This photo is not available.'));
  const thumbnail = thumbnailOf(picture);
  const preview = h('img', { alt: '', class: 'lightbox-preview' });
  if (thumbnail !== undefined) {
    loadFile(session.client, () => thumbnail, preview, { signal, failed: () => preview.remove() });
    box.prepend(preview);
  }
  const loaded = (): void => {
    preview.remove();
    box.style.backgroundImage = 'none';
  };
  on(full, 'load', loaded, { signal });
  loadFile(session.client, current, full, { signal, failed });
  return h('div', { class: 'lightbox-frame' }, box);
}

/** Tab would leave the page after the last element of a modal dialog. */
function keepFocus(event: KeyboardEvent, dialog: HTMLElement): void {
  const all = [...dialog.querySelectorAll<HTMLElement>('button')].filter((each) => each.checkVisibility());
  const end = event.shiftKey ? all[0] : all.at(-1);
  if (document.activeElement !== end) return;
  event.preventDefault();
  (event.shiftKey ? all.at(-1) : all[0])?.focus();
}
