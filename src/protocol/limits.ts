/** Every limit of the wire, once. Lengths are UTF-16 code units unless a name says bytes. */
export const LIMITS = {
  /** User, conversation, message, call, session and client ids. */
  idLength: 256,
  /** Default of `maxMessageLength`; a server may be configured otherwise and says so in its hello. */
  messageLength: 10_000,
  emojiLength: 64,
  nameLength: 200,
  searchLength: 200,
  /** People in one `conversation:create`, `add-participants` or `presence:watch`. */
  userIds: 1_000,
  fileNameLength: 255,
  urlLength: 4_096,
  /** One encrypted envelope: prekey header, padding and base64 included. */
  ciphertextLength: 131_072,
  oneTimePreKeys: 200,
  /** Ids in one `encryption:mailbox-ack`. */
  mailboxIds: 200,
  sdpLength: 65_536,
  candidateLength: 4_096,
  callees: 64,
  /** Default and most rows of one page. */
  pageSize: 50,
  maxPageSize: 201,
  /** One Socket.IO frame or REST body. */
  bodyBytes: 1_048_576,
  /** Conversations in the cursors of one `sync`. */
  syncCursors: 20_000,
  /** Changed messages per conversation in one `sync`; the rest is paged by the changes route. */
  syncChanges: 200,
  /** Past this many missed changes in a conversation a peer answers `tooLong`. */
  catchUpChanges: 1_000,
  /** Changed messages in one whole `sync` answer. */
  syncTotal: 500,
} as const;
