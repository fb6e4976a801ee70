import type { DatabaseSync } from 'node:sqlite';
import { fc } from '../property.ts';
import { envelopeOf } from './envelopes.ts';

const text = fc.oneof(fc.string({ maxLength: 30 }), fc.string({ unit: 'binary', maxLength: 30 }));
const TIMES = [
  '2024-03-01 08:00:01',
  '2024-03-01T08:00:01.000Z',
  '2024-03-01T07:59:00.000Z',
  'at noon',
  '2024-03-01 08:00:01.5"',
];
const time = fc.constantFrom(...TIMES);
const nothingOr = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 2 });
const attachment = fc.constantFrom(
  '{"url":"/f","mimeType":"a/b","fileName":"f \\"1\\"","fileSize":1}',
  '{"url":"/f","mimeType":"a/b","fileName":"f","fileSize":1,"more":[{"url":"/g","mimeType":"a/b","fileName":"g","fileSize":2}]}',
  '{"url":"javascript:alert(1)","mimeType":"a/b","fileName":"f","fileSize":1}',
  'no JSON',
);
const preview = fc.constantFrom(
  '[]',
  '{"url":"https://example.org/","title":"Title","description":"","domain":"example.org"}',
  'no JSON',
);
const metadata = fc.constantFrom('{"card":{"kind":"poll"}}', '[]', 'no JSON');
const envelope = fc.constantFrom(JSON.stringify(envelopeOf('user-0', 'c')), '{}', 'opaque');
const reactionEnvelopes = fc.constantFrom(JSON.stringify([envelopeOf('user-0', 'c')]), '[]', 'no JSON');

const stored = fc.record({
  sender: fc.nat({ max: 3 }),
  content: fc.oneof(text, envelope, fc.constant('ü'.repeat(3_000))),
  type: fc.constantFrom('text', 'image', 'system', 'call', 'unheard of'),
  replyTo: nothingOr(fc.constantFrom('1', 'call-"1"')),
  attachment: nothingOr(attachment),
  encrypted: fc.constantFrom(0, 1),
  createdAt: time,
  updatedAt: nothingOr(time),
  publicId: fc.boolean(),
  clientId: fc.boolean(),
  deletedAt: nothingOr(time),
  forwardedFrom: nothingOr(text),
  preview: nothingOr(preview),
  reactionEnvelopes: nothingOr(reactionEnvelopes),
  metadata: nothingOr(metadata),
  pinnedAt: nothingOr(time),
  deletedBy: nothingOr(text),
  reactions: fc.uniqueArray(fc.constantFrom('👍', '"', '❤️'), { maxLength: 2 }),
  readers: fc.uniqueArray(fc.nat({ max: 3 }), { maxLength: 2 }),
});
const member = fc.record({
  read: fc.nat({ max: 12 }),
  delivered: fc.nat({ max: 12 }),
  readAt: nothingOr(time),
  joinedAt: fc.constantFrom('2024-01-01 00:00:00', '2024-01-02T00:00:00.000Z'),
});
/** A conversation with everything that its rows can contain, also rows that only foreign SQL writes. */
export const conversationRows = fc.record({
  updatedAt: fc.constantFrom(...TIMES),
  members: fc.oneof(
    fc.array(member, { minLength: 1, maxLength: 5 }),
    fc.array(member, { minLength: 99, maxLength: 130 }),
  ),
  messages: fc.array(stored, { minLength: 1, maxLength: 10 }),
});

/** Rows of a conversation. */
type ConversationRows = typeof conversationRows extends fc.Arbitrary<infer T> ? T : never;

/** Inserts the rows. The members are `user-0`, `user-1` and so on. */
export function insertConversation(
  db: DatabaseSync,
  id: string,
  { updatedAt, members, messages }: ConversationRows,
): void {
  const count = messages.length;
  db.prepare("INSERT INTO conversations (id, type, updated_at, seq, rev) VALUES (?, 'group', ?, ?, ?)").run(
    id,
    updatedAt,
    count,
    count,
  );
  const join = db.prepare(
    `INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_read_seq, last_delivered_seq,
      last_read_at, joined_inbox_rev) VALUES (?, ?, ?, ?, ?, ?, 1)`,
  );
  const user = db.prepare('INSERT OR IGNORE INTO comm_users (user_id) VALUES (?)');
  for (const [index, each] of members.entries()) {
    user.run(`user-${index}`);
    join.run(id, `user-${index}`, each.joinedAt, each.read, each.delivered, each.readAt);
  }
  const insert = db.prepare(
    `INSERT INTO messages (conversation_id, sender_id, content, type, reply_to, attachment, encrypted, created_at,
      updated_at, seq, rev, sender_seq, client_id, public_id, deleted_at, forwarded_from_conversation_id,
      forwarded_from_message_id, link_preview, reaction_envelopes, metadata, pinned_by, pinned_at, deleted_by)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const react = db.prepare('INSERT INTO message_reactions (message_id, user_id, emoji) VALUES (?, ?, ?)');
  const receive = db.prepare(
    "INSERT INTO read_receipts (message_id, user_id, read_at) VALUES (?, ?, '2024-05-05 05:05:05')",
  );
  for (const [at, each] of messages.entries()) {
    const { lastInsertRowid: messageId } = insert.run(
      id,
      `user-${each.sender}`,
      each.content,
      each.type,
      each.replyTo,
      each.attachment,
      each.encrypted,
      each.createdAt,
      each.updatedAt,
      at + 1,
      at + 1,
      each.clientId ? `client"${id}${at}` : null,
      each.publicId ? `call-${id}${at}` : null,
      each.deletedAt,
      each.forwardedFrom,
      each.forwardedFrom,
      each.preview,
      each.reactionEnvelopes,
      each.metadata,
      each.pinnedAt === null ? null : 'user-"1"',
      each.pinnedAt,
      each.deletedBy,
    );
    for (const emoji of each.reactions) for (const name of ['ada', 'bob']) react.run(messageId, name, emoji);
    for (const reader of each.readers) receive.run(messageId, `user-${reader}`);
  }
}
