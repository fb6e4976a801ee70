import { expect, test } from 'vitest';
import {
  findFile,
  insertFile,
  markCancelled,
  markRejected,
  markStored,
  referToFile,
} from '../../../src/server/store/queries/files.ts';
import { startChat } from '../../helpers/server/chat.ts';

test('a file is neither cancelled once a message refers to it, nor rejected once it is stored', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.group('ada', 'bob');
  const { id: messageId } = await chat.say('ada', conversationId, 'hello');
  const upload = {
    conversation_id: conversationId,
    uploader_id: 'ada',
    file_name: 'a',
    mime_type: 'text/plain',
    size: 1,
    key_digest: '',
    state: 'uploading',
    created_at: '2026',
    expires_at: '2026',
  };
  await chat.store.write(function* () {
    for (const id of ['rejected', 'cancelled', 'attached']) yield* insertFile({ ...upload, id });
    expect(yield* markRejected('rejected')).toBe(true);
    for (const id of ['cancelled', 'attached']) {
      yield* markStored(id, '2027');
      expect(yield* markRejected(id)).toBe(false);
    }
    expect(yield* markCancelled('cancelled')).toBe(true);
    yield* referToFile('attached', Number(messageId));
    expect(yield* markCancelled('attached')).toBe(false);
    expect(yield* findFile('attached')).toMatchObject({ state: 'stored', expires_at: null });
  });
});
