import { strings, type Handler, type Payload } from './connection.ts';

/** Stores key bundles unvalidated. A session-init for an offline user is lost. */
export function encryptionHandlers(): Readonly<Record<string, Handler>> {
  const bundles = new Map<string, { bundle: Payload; oneTimePreKeys: unknown[] }>();
  return {
    'encryption:upload-keys': (connection, bundle) => {
      const keys: unknown = bundle['oneTimePreKeys'];
      if (!Array.isArray(keys)) return;
      bundles.set(connection.userId, { bundle, oneTimePreKeys: [...(keys as unknown[])] });
      connection.push('encryption:keys-uploaded', { userId: connection.userId, keyCount: keys.length });
    },
    'encryption:request-keys': (connection, payload) => {
      const ids = strings(payload, 'recipientId');
      if (ids === undefined) return;
      const { recipientId } = ids;
      const found = bundles.get(recipientId);
      if (found === undefined) return connection.push('encryption:keys-response', { error: 'no_keys', recipientId });
      const { identityKey, signedPreKey, signedPreKeySignature } = found.bundle;
      const oneTimePreKey = found.oneTimePreKeys.shift();
      const answer = { recipientId, identityKey, signedPreKey, signedPreKeySignature, oneTimePreKey };
      connection.push('encryption:keys-response', answer);
      if (found.oneTimePreKeys.length > 0) return;
      connection.toUser(recipientId, 'encryption:keys-depleted', { userId: recipientId });
    },
    'encryption:session-init': (connection, payload) => {
      const ids = strings(payload, 'recipientId', 'sessionId');
      if (ids === undefined) return;
      const init = { senderId: connection.userId, sessionId: ids.sessionId, envelope: payload['envelope'] };
      connection.toUser(ids.recipientId, 'encryption:session-init', init);
    },
  };
}
