import type { EncryptedEnvelope, RequestName, RequestOf } from '../../src/protocol/index.ts';

const PUBLIC_KEY = `${'A'.repeat(43)}=`;
const SIGNATURE = `${'A'.repeat(86)}==`;

const envelope: EncryptedEnvelope = {
  senderId: 'alice',
  recipientId: 'bob',
  sessionId: 'session',
  ciphertext: 'AAAA',
  messageType: 'prekey',
  senderIdentityKey: PUBLIC_KEY,
  senderEphemeralKey: PUBLIC_KEY,
  usedOneTimePreKeyId: 1,
};

const inConversation = { conversationId: 'conversation' };
const aboutMessage = { ...inConversation, messageId: '1' };
const signal = { callId: 'call', fromUserId: 'alice', toUserId: 'bob' };

/** One valid request of every kind, with every field set. */
export const REQUESTS: { readonly [K in RequestName]: RequestOf<K> } = {
  'message:send': {
    ...inConversation,
    content: 'Hello',
    type: 'text',
    replyTo: '1',
    attachment: {
      url: 'https://example.com/a.png',
      mimeType: 'image/png',
      fileName: 'a.png',
      fileSize: 1,
      width: 1,
      height: 1,
      duration: 1,
      thumbnailUrl: '/a.png',
    },
    encrypted: true,
    envelope,
    clientId: '01935200-0000-7000-8000-000000000001',
    afterClientId: '01935200-0000-7000-8000-000000000000',
  },
  'message:read': aboutMessage,
  'message:delivered': { ...inConversation, seq: 1 },
  'message:react': { ...aboutMessage, emoji: '👍', on: true },
  'message:edit': { ...aboutMessage, envelope, content: 'Hello!' },
  'message:delete': aboutMessage,
  'message:forward': {
    messageId: '1',
    fromConversationId: 'conversation',
    toConversationId: 'other',
    clientId: '01935200-0000-7000-8000-000000000002',
  },
  'typing:start': inConversation,
  'typing:stop': inConversation,
  'presence:update': { status: 'busy', chosen: true },
  'presence:watch': { userIds: ['bob'] },
  'presence:unwatch': { userIds: ['bob'] },
  'conversation:create': { type: 'group', name: 'Friends', participantIds: ['bob', 'carol'] },
  'conversation:join': inConversation,
  'conversation:leave': inConversation,
  'conversation:archive': { ...inConversation, archived: true },
  'conversation:mute': { ...inConversation, muted: true },
  'conversation:pin': { ...inConversation, pinned: true },
  'conversation:update': { ...inConversation, name: 'Good friends' },
  'conversation:add-participants': { ...inConversation, userIds: ['dave'] },
  'conversation:remove-participant': { ...inConversation, userId: 'dave' },
  'conversation:set-role': { ...inConversation, userId: 'carol', role: 'admin' },
  sync: { cursors: { conversation: 1 }, inboxRev: 1 },
  'comm:ping': {},
  'call:initiate': { ...inConversation, type: 'video', calleeIds: ['bob'] },
  'call:respond': { callId: 'call', action: 'accept' },
  'call:hangup': { callId: 'call', reason: 'completed' },
  'call:media-toggle': { callId: 'call', audio: false, video: true, screenShare: false },
  'call:add-participant': { callId: 'call', userId: 'carol' },
  'call:remove-participant': { callId: 'call', userId: 'carol' },
  'call:quality-report': {
    callId: 'call',
    userId: 'alice',
    rtt: 20,
    packetLoss: 0.5,
    jitter: 2,
    quality: 'good',
    availableBandwidth: 2_000,
  },
  'signal:offer': { ...signal, type: 'offer', sdp: 'v=0', renegotiation: true },
  'signal:answer': { ...signal, type: 'answer', sdp: 'v=0', renegotiation: true },
  'signal:ice-candidate': { ...signal, candidate: 'candidate:1', sdpMLineIndex: 0, sdpMid: '0' },
  'signal:ice-restart': signal,
  'encryption:upload-keys': {
    userId: 'alice',
    identityKey: PUBLIC_KEY,
    signedPreKey: { keyId: 1, publicKey: PUBLIC_KEY },
    signedPreKeySignature: SIGNATURE,
    oneTimePreKeys: [{ keyId: 2, publicKey: PUBLIC_KEY }],
    uploadedAt: '2026-01-01T00:00:00.000Z',
    replaces: PUBLIC_KEY,
  },
  'encryption:request-keys': { recipientId: 'bob' },
  'encryption:session-init': { recipientId: 'bob', sessionId: 'session', envelope },
  'encryption:mailbox-ack': { mailboxIds: ['1', '2'] },
  'file:request-upload': { ...inConversation, mimeType: 'image/png', size: 1, fileName: 'a.png' },
};
