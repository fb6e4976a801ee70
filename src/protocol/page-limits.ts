/** The part of `LIMITS` about lists: in a module of its own, because clients use no other part. */
export const PAGE_LIMITS = {
  searchLength: 200,
  /** Default number of rows per page. */
  pageSize: 50,
  /** Maximum number of rows per page. */
  maxPageSize: 201,
  /** Cursors in one `sync` request. */
  syncCursors: 20_000,
  /** Changed messages per conversation in one `sync` answer; further ones are paged through the changes route. */
  syncChanges: 200,
} as const;
