import type { Bundle } from './bundle.ts';
import { failure, type Outcome } from './failures.ts';
import { withPrimary, type OwnIdentity, type Peer } from './peer-sessions.ts';
import { dhKeyPair, type Random } from './primitives.ts';
import { startRatchet } from './ratchet.ts';
import type { Session } from './session.ts';
import { sessionIdOf, startAgreement } from './x3dh.ts';

/** Agrees on a new session and makes it the primary one. */
export function startWith(
  peer: Peer,
  own: OwnIdentity,
  bundle: Bundle,
  random: Random,
  now: number,
): Outcome<{ peer: Peer; sessionId: string }> {
  if (bundle.userId !== peer.userId || own.userId === peer.userId) return failure('not-ours');
  const ephemeral = dhKeyPair(random(32));
  const agreed = startAgreement(own, bundle, ephemeral);
  if (agreed === undefined) return failure('bad-key');
  const ratchet = startRatchet(agreed.secret, dhKeyPair(random(32)), bundle.signedPreKey.publicKey);
  if (ratchet === undefined) return failure('bad-key');
  const session: Session = {
    id: sessionIdOf(agreed.transcript),
    transcript: agreed.transcript,
    peerIdentity: bundle.identityKey,
    ours: true,
    acknowledged: false,
    createdAt: now,
    opening: {
      ephemeralKey: ephemeral.publicKey,
      signedPreKeyId: bundle.signedPreKey.id,
      oneTimePreKeyId: bundle.oneTimePreKey?.id,
    },
    ratchet,
  };
  return { ok: true, peer: withPrimary(peer, session), sessionId: session.id };
}
