import type { MessageAttachment } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h } from '../lib/dom.ts';
import { attempt } from '../ui/toast.ts';

/** Time in ms after which a browser has begun to save an object URL. */
const SAVING_MS = 60_000;

/** Saves a file as a download of the browser, decrypted if it is encrypted. */
export async function saveFile({ client }: Session, attachment: MessageAttachment): Promise<void> {
  const { url, keys, fileName } = attachment;
  if (url.startsWith('blob:')) return save(url, fileName);
  if (keys === undefined) {
    const signed = await attempt('The file was not downloaded', client.files.url(attachment));
    if (signed !== undefined) save(signed, fileName);
    return;
  }
  const blob = await attempt('The file was not downloaded', client.files.download(attachment));
  if (blob === undefined) return;
  const opened = URL.createObjectURL(blob);
  save(opened, fileName);
  setTimeout(() => URL.revokeObjectURL(opened), SAVING_MS);
}

function save(href: string, fileName: string): void {
  h('a', { href, download: fileName, target: '_blank', rel: 'noopener' }).click();
}
