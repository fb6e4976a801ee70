/** Attachments and backups of NKC1 in the second implementation. */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { sha256, u32 } from './primitives.ts';
import { secretboxOpen, secretboxSeal } from './secretbox.ts';

const SEGMENT = 65_536;
const AAD = Buffer.from('NKC1-ATT');

export interface InteropAttachment {
  readonly key: Buffer;
  readonly prefix: Buffer;
  readonly size: number;
  readonly sha256: Buffer;
}

const nonce = (prefix: Buffer, index: number, last: boolean): Buffer =>
  Buffer.concat([prefix, u32(index), Buffer.from([last ? 1 : 0])]);

export function sealAttachment(file: Buffer): { ciphertext: Buffer; secret: InteropAttachment } {
  const [key, prefix] = [randomBytes(32), randomBytes(7)];
  const segments = Math.max(1, Math.ceil(file.length / SEGMENT));
  const parts: Buffer[] = [];
  for (let index = 0; index < segments; index += 1) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce(prefix, index, index === segments - 1));
    cipher.setAAD(AAD);
    parts.push(cipher.update(file.subarray(index * SEGMENT, (index + 1) * SEGMENT)), cipher.final());
    parts.push(cipher.getAuthTag());
  }
  const ciphertext = Buffer.concat(parts);
  return { ciphertext, secret: { key, prefix, size: file.length, sha256: sha256(ciphertext) } };
}

export function openAttachment(ciphertext: Buffer, secret: InteropAttachment): Buffer {
  if (!sha256(ciphertext).equals(secret.sha256)) throw new Error('Another file');
  const parts: Buffer[] = [];
  const segments = Math.max(1, Math.ceil(secret.size / SEGMENT));
  for (let index = 0; index < segments; index += 1) {
    const part = ciphertext.subarray(index * (SEGMENT + 16), (index + 1) * (SEGMENT + 16));
    const iv = nonce(secret.prefix, index, index === segments - 1);
    const decipher = createDecipheriv('aes-256-gcm', secret.key, iv, { authTagLength: 16 });
    decipher.setAAD(AAD);
    decipher.setAuthTag(part.subarray(-16));
    parts.push(decipher.update(part.subarray(0, -16)), decipher.final());
  }
  return Buffer.concat(parts);
}

const derive = (passphrase: string, salt: Buffer, log2N: number, r: number, p: number): Buffer =>
  scryptSync(passphrase.normalize('NFKC'), salt, 32, { N: 2 ** log2N, r, p, maxmem: 2 ** 31 - 1 });

export function sealBackup(content: string, passphrase: string, log2N = 17): Buffer {
  const [salt, iv] = [randomBytes(16), randomBytes(24)];
  const box = secretboxSeal(derive(passphrase, salt, log2N, 8, 1), iv, Buffer.from(content));
  return Buffer.concat([Buffer.from('NKB1'), Buffer.from([log2N, 8, 1]), salt, iv, box]);
}

export function openBackup(bytes: Buffer, passphrase: string): string {
  if (bytes.toString('latin1', 0, 4) !== 'NKB1') throw new Error('No backup');
  const [log2N = 0, r = 0, p = 0] = bytes.subarray(4, 7);
  const key = derive(passphrase, bytes.subarray(7, 23), log2N, r, p);
  return secretboxOpen(key, bytes.subarray(23, 47), bytes.subarray(47)).toString();
}
