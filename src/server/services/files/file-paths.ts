import type { FileRow } from '../../store/queries/files.ts';

/** Returns the path of a file. The name at its end is for readers only; the server ignores it. */
export function filePath(restPath: string, { id, file_name: name }: Pick<FileRow, 'id' | 'file_name'>): string {
  // URL parsers read a segment of dots as a directory, also if it is percent-encoded.
  const segment = /^\.+$/.test(name) ? 'file' : encodeURIComponent(name.toWellFormed());
  return `${restPath}/files/${id}/${segment}`;
}

/** Returns the path of an upload. The key is its only credential. */
export function uploadPath(restPath: string, id: string, key: string): string {
  return `${restPath}/uploads/${id}/${key}`;
}

/** Returns the id of the file that a URL names; `undefined` for files that this server doesn't store. */
export function fileIdOf(restPath: string, url: string): string | undefined {
  const prefix = `${restPath}/files/`;
  if (!url.startsWith(prefix)) return undefined;
  return /^([0-9a-f-]{36})\//.exec(url.slice(prefix.length))?.[1];
}
