import { Caller } from './caller.ts';

/* An app that calls, at its smallest: the address says who this is, and whether it answers. */
const address = new URLSearchParams(location.search);
globalThis.caller = new Caller(address.get('user') ?? '', address.has('answers'));
globalThis.caller.client.connect().catch(() => undefined);
