// Browsers can't run the server. A bundler stops at this name and prints its text.
export * from './lumen-comm-server runs on servers only. In a LumenJS page, move `socket` to _socket.ts beside index.ts';
