import { Chat } from './chat.ts';

/*
 * An app at its smallest. The address says who this is (`user` or `token`) and which conversations are open (`open`,
 * again and again), `encrypted` turns encryption on, `sealed` that of media as well; `idle` leaves everything to the test.
 */
const address = new URLSearchParams(location.search);
const chat = new Chat({
  ...(address.has('user') && { userId: address.get('user') ?? '' }),
  ...((address.has('encrypted') || address.has('sealed')) && { encryption: {} }),
  ...(address.has('sealed') && { calls: { mediaEncryption: true } }),
  ...(address.has('token') && { token: address.get('token') ?? '' }),
});
for (const id of address.getAll('open')) chat.open(id);
if (!address.has('idle')) chat.connect();
globalThis.chat = chat;
globalThis.Chat = Chat;
