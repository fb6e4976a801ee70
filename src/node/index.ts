/** What only Node clients need. */
export { fileStorage } from '../storage/file.ts';
