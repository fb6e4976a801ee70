import { createRequire } from 'node:module';
import { CommError } from '../../../protocol/errors.ts';

/** Number of bytes at the start of a file that identify its type. */
export const SNIFFED_BYTES = 4_100;

/** Names of the same format. */
const ALIASES: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/apng': 'image/png',
  'image/x-ms-bmp': 'image/bmp',
};

/** Images that browsers display without executing anything in them. */
const SAFE_IMAGES: ReadonlySet<string> = new Set([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'image/bmp',
]);
/** Containers of audio and video whose names don't begin with `audio/` or `video/`. */
const MEDIA_CONTAINERS: ReadonlySet<string> = new Set(['application/ogg', 'application/mxf', 'application/vnd.ms-asf']);
/** Text formats that have a signature. */
const MARKED_TEXT = /^(?:text\/|application\/(?:xml|rtf|x-ft-))/;

/**
 * Checks the first bytes of a file against the type that its uploader has announced. Images, audio, video and PDF must
 * have the signature of such a file, text must not have the signature of something else. Other formats are served as
 * downloads only and are not checked.
 *
 * @param head - the first {@link SNIFFED_BYTES} bytes, or all bytes of a shorter file
 * @throws CommError `MIME_TYPE_NOT_ALLOWED` if the type is not that of the bytes
 */
export async function checkSignature(announced: string, head: Uint8Array): Promise<void> {
  // Not by `import`: bundlers that inline dependencies can't handle its CommonJS dependencies.
  const { fileTypeFromBuffer } = createRequire(import.meta.url)('file-type') as typeof import('file-type');
  const found = (await fileTypeFromBuffer(head))?.mime;
  if (fits(canonical(announced), found === undefined ? undefined : canonical(found))) return;
  throw new CommError('MIME_TYPE_NOT_ALLOWED', 'mimeType is not the type of the uploaded bytes');
}

/** Returns whether a file of this type, whose signature was checked, may be displayed by a browser. */
export function isShownInline(mimeType: string): boolean {
  const type = canonical(mimeType);
  return SAFE_IMAGES.has(type) || type === 'application/pdf' || /^(?:audio|video)\//.test(type);
}

function fits(announced: string, found: string | undefined): boolean {
  if (SAFE_IMAGES.has(announced) || announced === 'application/pdf') return found === announced;
  // SVG and other XML formats have no signature, and are never displayed.
  if (announced.startsWith('image/')) return found === undefined || /^image\/|xml$/.test(found);
  if (/^(?:audio|video)\//.test(announced)) {
    return found !== undefined && (/^(?:audio|video)\//.test(found) || MEDIA_CONTAINERS.has(found));
  }
  return !announced.startsWith('text/') || found === undefined || MARKED_TEXT.test(found);
}

function canonical(mimeType: string): string {
  const type = mimeType.toLowerCase();
  return ALIASES[type] ?? type;
}
