import { BATCH_LIMITS } from './batches.ts';
import { METADATA_LIMITS } from './metadata.ts';
import { PAGE_LIMITS } from './page-limits.ts';

/** All limits of the wire. Lengths are counted in UTF-16 code units, except for names that contain `bytes`. */
export const LIMITS = {
  ...PAGE_LIMITS,
  ...BATCH_LIMITS,
  ...METADATA_LIMITS,
  /** Length of user, conversation, message, call, session and client ids. */
  idLength: 256,
  /** Default of a server's `maxMessageLength`, which `comm:hello` announces. */
  messageLength: 10_000,
  emojiLength: 64,
  nameLength: 200,
  /** Length of the description of a group. */
  descriptionLength: 1_000,
  /** Length of the `reason` of a ban. */
  banReasonLength: 500,
  /** Longest interval of the slow mode: a day. */
  slowModeSeconds: 86_400,
  /** Rows in one page of `conversation:browse`. */
  browsePageSize: 50,
  /** Length of a user's name. */
  displayNameLength: 100,
  /** Length of the URL of a user's picture: participants carry it. */
  avatarUrlLength: 512,
  /** User ids in one `user:get`. */
  requestedUsers: 200,
  /** Users in one answer of `user:search`, and the length of its query. */
  foundUsers: 50,
  userSearchLength: 100,
  /** Users whom one user blocks. */
  blockedUsers: 1_000,
  /** Participants in a conversation's `participants`; further ones are paged through the members route. */
  listedParticipants: 100,
  /** User ids in one `conversation:create`, `conversation:add-participants` or `presence:watch`. */
  userIds: 1_000,
  /** Users mentioned in one message. */
  mentions: 50,
  /** Users named in the summary of a thread. */
  threadParticipants: 5,
  fileNameLength: 255,
  /** Files of one message. */
  attachments: 10,
  /** Length of the base64 placeholder of an image, of at most 25 bytes. */
  placeholderLength: 36,
  /** Values of the waveform of an audio file. */
  waveformValues: 64,
  /** File ids in one `file:sign`. */
  signedFiles: 100,
  /** Parts in one answer about an upload to the storage of a server. */
  uploadParts: 50,
  urlLength: 4_096,
  /** Pinned messages of one conversation. */
  pinnedMessages: 100,
  /** Reason and comment of a report. */
  reasonLength: 100,
  commentLength: 2_000,
  /** Text of an encrypted message in a report. */
  reportedLength: 16_384,
  /** Length of the base64 ciphertext of one envelope, including prekey header and padding. */
  ciphertextLength: 131_072,
  /** The same for the envelope of a deletion or reaction. */
  changeCiphertextLength: 4_096,
  oneTimePreKeys: 200,
  /** Size of the JSON of `ext` in key bundles, key responses and envelopes. */
  extBytes: 4_096,
  /** Ids in one `encryption:mailbox-ack`. */
  mailboxIds: 200,
  sdpLength: 65_536,
  candidateLength: 4_096,
  callees: 64,
  /** Size of one Socket.IO frame or REST body. */
  bodyBytes: 1_048_576,
  /** Missed changes per conversation above which the server answers `tooLong`. */
  catchUpChanges: 1_000,
  /** Changed messages in one `sync` answer, over all conversations. */
  syncTotal: 500,
} as const;
