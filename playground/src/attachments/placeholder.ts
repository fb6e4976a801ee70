import { thumbHashToDataURL } from 'thumbhash';

/** Shows the ThumbHash of a picture as the background of an element. */
export function showPlaceholder(element: HTMLElement, placeholder: string | undefined): void {
  if (placeholder === undefined) return;
  try {
    const hash = Uint8Array.from(atob(placeholder), (letter) => letter.charCodeAt(0));
    element.style.backgroundImage = `url("${thumbHashToDataURL(hash)}")`;
  } catch {
    // Not a ThumbHash: the plain background stays.
  }
}
