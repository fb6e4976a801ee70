import type { ResolvedConfig } from '../../config.ts';
import type { FileBackend } from './file-backend.ts';
import { LocalDirectory } from './local-directory.ts';
import { s3Storage } from './s3-storage.ts';
import { isStorageUrl, parseStorageUrl } from './s3-url.ts';

/** Where files are stored, and how many. */
export interface FilesOptions {
  /**
   * Directory, URL of a bucket (`s3://bucket?region=eu-central-1&endpoint=…`, with the credentials in `AWS_ACCESS_KEY_ID` and
   * `AWS_SECRET_ACCESS_KEY`), or an implementation of {@link FileBackend}.
   */
  backend: string | FileBackend;
  /** Maximum size of a file in bytes. @defaultValue 104_857_600 (100 MiB) */
  maxFileSize?: number | undefined;
  /** Allowed types, such as `image/png` or `image/*`. @defaultValue every type */
  allowedMimeTypes?: readonly string[] | undefined;
  /** Time in ms after which a file to which no message refers is deleted. @defaultValue 86_400_000 (24 hours) */
  unattachedTtlMs?: number | undefined;
  /**
   * Bytes that one user may upload in 24 hours, at least `maxFileSize`.
   *
   * @defaultValue 1_073_741_824 (1 GiB), or `maxFileSize` if that is more
   */
  bytesPerUserAndDay?: number | undefined;
}

/** {@link FilesOptions} with defaults applied and values validated. */
export interface FilesConfig {
  readonly backend: FileBackend;
  readonly unattachedTtlMs: number;
  readonly bytesPerUserAndDay: number;
  /** Limits of attachments, which take the place of `config.fileUpload`. */
  readonly fileUpload: ResolvedConfig['fileUpload'];
}

const MIB = 1_024 * 1_024;
const DAY_MS = 86_400_000;

/**
 * Applies the defaults.
 *
 * @throws TypeError that names the option and its valid range
 */
export function resolveFiles(files: string | FilesOptions): FilesConfig {
  const options = typeof files === 'string' ? { backend: files } : files;
  const { backend, maxFileSize, allowedMimeTypes = [], unattachedTtlMs, bytesPerUserAndDay } = options;
  const maxBytes = wholeNumber('files.maxFileSize', maxFileSize ?? 100 * MIB);
  const bytesPerDay = wholeNumber('files.bytesPerUserAndDay', bytesPerUserAndDay ?? Math.max(1_024 * MIB, maxBytes));
  if (bytesPerDay < maxBytes) {
    throw new TypeError(
      `files.bytesPerUserAndDay must be at least files.maxFileSize (${maxBytes}); got ${bytesPerDay}`,
    );
  }
  if (backend === '') throw new TypeError('files must be a directory or an object with a backend');
  return {
    backend: typeof backend === 'string' ? backendOf(backend) : backend,
    unattachedTtlMs: wholeNumber('files.unattachedTtlMs', unattachedTtlMs ?? DAY_MS),
    bytesPerUserAndDay: bytesPerDay,
    fileUpload: {
      maxFileSize: maxBytes,
      allowedMimeTypes: allowedMimeTypes.length === 0 ? undefined : allowedMimeTypes.map((type) => type.toLowerCase()),
    },
  };
}

function backendOf(place: string): FileBackend {
  return isStorageUrl(place) ? s3Storage(parseStorageUrl(place, process.env)) : new LocalDirectory(place);
}

function wholeNumber(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new TypeError(`${name} must be a whole number from 1; got ${value}`);
}
