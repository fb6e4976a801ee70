import type { FileRow } from '../../store/queries/files.ts';
import type { ServerHooks } from '../../hooks.ts';
import { askHook } from '../ask-hook.ts';
import type { ServiceDeps } from '../service-deps.ts';
import type { FileBackend } from './file-backend.ts';
import { checkSignature, SNIFFED_BYTES } from './mime-types.ts';

/** Dependencies of {@link checkFile}. */
export interface CheckFileDeps extends Pick<ServiceDeps, 'clock' | 'logger'> {
  readonly hooks: Readonly<ServerHooks>;
}

const HOOK_TIMEOUT_MS = 60_000;

/**
 * Checks the bytes of a file against its type, and asks the hook `beforeUpload`.
 *
 * @param start - as of {@link startOf}
 * @throws CommError `MIME_TYPE_NOT_ALLOWED`, and errors of the hook
 */
export async function checkFile(
  row: FileRow,
  start: Uint8Array,
  backend: FileBackend,
  { clock, logger, hooks: { beforeUpload } }: CheckFileDeps,
): Promise<void> {
  const { id, mime_type: mimeType, size } = row;
  await checkSignature(mimeType, start);
  if (beforeUpload === undefined) return;
  await askHook({ name: 'beforeUpload', timeoutMs: HOOK_TIMEOUT_MS, clock, logger }, () =>
    beforeUpload({
      fileId: id,
      conversationId: row.conversation_id,
      uploaderId: row.uploader_id,
      fileName: row.file_name,
      mimeType,
      size,
      read: () => backend.read(id, { start: 0, end: size - 1 }),
    }),
  );
}

/** Returns the bytes by which the type of a file is recognised. */
export async function startOf(backend: FileBackend, id: string, size: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  if (size === 0) return new Uint8Array();
  for await (const chunk of backend.read(id, { start: 0, end: Math.min(size, SNIFFED_BYTES) - 1 })) chunks.push(chunk);
  return Buffer.concat(chunks);
}
