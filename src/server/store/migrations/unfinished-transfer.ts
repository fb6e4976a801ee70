/**
 * Recorded among the migrations while the rows of another database are copied to this one. No version of the server knows a
 * migration with this number, so that none starts on a database that is not complete.
 */
export const UNFINISHED_TRANSFER = { version: 1_000_000, name: 'unfinished transfer' };
