import { Chat } from './chat.ts';

/*
 * A minimal app, configured by its address: `user` or `token`; `open` for each open conversation; `encrypted` for encryption,
 * `sealed` for that of media too; `idle` leaves everything to the test.
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
