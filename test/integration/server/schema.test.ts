import { describe, expect, test } from 'vitest';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { ensureCommunicationTables } from '../../../src/server/store/engine/migrate.ts';
import { all, type Statement } from '../../../src/server/store/engine/work.ts';
import { DATABASES } from '../../helpers/server/databases.ts';

const NOW = "datetime('now')";

/** As `PRAGMA table_info` tells it: name, type, not null, default, place in the primary key. */
type Column = [name: string, type: string, notNull: 0 | 1, fallback: string | null, key: number];

const SEED_TABLES: Record<string, { columns: Column[]; references?: [table: string, from: string, to: string] }> = {
  conversations: {
    columns: [
      ['id', 'TEXT', 0, null, 1],
      ['type', 'TEXT', 1, null, 0],
      ['name', 'TEXT', 0, null, 0],
      ['created_at', 'TEXT', 1, NOW, 0],
      ['updated_at', 'TEXT', 1, NOW, 0],
    ],
  },
  conversation_participants: {
    columns: [
      ['conversation_id', 'TEXT', 1, null, 1],
      ['user_id', 'TEXT', 1, null, 2],
      ['role', 'TEXT', 1, "'member'", 0],
      ['joined_at', 'TEXT', 1, NOW, 0],
    ],
    references: ['conversations', 'conversation_id', 'id'],
  },
  messages: {
    columns: [
      ['id', 'INTEGER', 0, null, 1],
      ['conversation_id', 'TEXT', 1, null, 0],
      ['sender_id', 'TEXT', 1, null, 0],
      ['content', 'TEXT', 1, "''", 0],
      ['type', 'TEXT', 1, "'text'", 0],
      ['reply_to', 'TEXT', 0, null, 0],
      ['attachment', 'TEXT', 0, null, 0],
      ['status', 'TEXT', 1, "'sent'", 0],
      ['encrypted', 'INTEGER', 1, '0', 0],
      ['created_at', 'TEXT', 1, NOW, 0],
      ['updated_at', 'TEXT', 0, null, 0],
    ],
    references: ['conversations', 'conversation_id', 'id'],
  },
  read_receipts: {
    columns: [
      ['message_id', 'INTEGER', 1, null, 1],
      ['user_id', 'TEXT', 1, null, 2],
      ['read_at', 'TEXT', 1, NOW, 0],
    ],
    references: ['messages', 'message_id', 'id'],
  },
  encryption_keys: {
    columns: [
      ['user_id', 'TEXT', 0, null, 1],
      ['identity_key', 'TEXT', 1, null, 0],
      ['signed_pre_key_id', 'INTEGER', 1, null, 0],
      ['signed_pre_key', 'TEXT', 1, null, 0],
      ['signed_pre_key_signature', 'TEXT', 1, null, 0],
      ['uploaded_at', 'TEXT', 1, NOW, 0],
    ],
  },
  encryption_prekeys: {
    columns: [
      ['user_id', 'TEXT', 1, null, 1],
      ['key_id', 'INTEGER', 1, null, 2],
      ['public_key', 'TEXT', 1, null, 0],
    ],
    references: ['encryption_keys', 'user_id', 'user_id'],
  },
};

const SEED_INDEXES = {
  idx_messages_conversation: ['conversation_id', 'created_at'],
  idx_participants_user: ['user_id'],
};

describe.each(Object.entries(DATABASES))('the tables of LumenJS on %s', (_name, open) => {
  async function withTables(check: (read: <Row>(sql: string) => Promise<readonly Row[]>) => Promise<void>) {
    const { db, close } = open(':memory:');
    try {
      await ensureCommunicationTables(db);
      await check(async <Row>(sql: string) => {
        const statement: Statement<Row> = { sql, parameters: [], kind: 'rows', writes: false };
        return await databaseOf(db).run(() => all(statement));
      });
    } finally {
      close();
    }
  }

  test.each(Object.entries(SEED_TABLES))(
    '%s has the columns of LumenJS first, then the additional ones',
    (table, { columns, references }) =>
      withTables(async (read) => {
        const info = await read<Record<string, string | number | null>>(`PRAGMA table_info(${table})`);
        const found = info.map((row) => [row['name'], row['type'], row['notnull'], row['dflt_value'], row['pk']]);
        expect(found.slice(0, columns.length)).toEqual(columns);
        const foreignKeys = await read<Record<string, string>>(`PRAGMA foreign_key_list(${table})`);
        expect(foreignKeys.map((key) => [key['table'], key['from'], key['to'], key['on_delete']])).toEqual(
          references ? [[...references, 'CASCADE']] : [],
        );
      }),
  );

  test('both indexes exist', () =>
    withTables(async (read) => {
      for (const [index, columns] of Object.entries(SEED_INDEXES)) {
        const info = await read<{ name: string }>(`PRAGMA index_info(${index})`);
        expect(info.map(({ name }) => name)).toEqual(columns);
      }
    }));

  test('message ids are never reused', () =>
    withTables(async (read) => {
      const [{ sql } = { sql: '' }] = await read<{ sql: string }>(
        "SELECT sql FROM sqlite_master WHERE name = 'messages'",
      );
      expect(sql).toContain('AUTOINCREMENT');
    }));

  test('foreign keys are enabled', () =>
    withTables(async (read) => {
      expect(await read('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }]);
    }));
});
