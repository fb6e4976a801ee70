/**
 * Storage for clients that run in Node, such as bots.
 *
 * @module
 */
export { fileStorage } from '../storage/file-storage.ts';
export type { CommStorage, Step, Storable } from '../storage/comm-storage.ts';
