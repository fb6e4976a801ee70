import { Caller } from './caller.ts';
import { floorMs, oursMs } from './first-frame.ts';

declare global {
  // What the bench reaches by evaluating in the page.
  var firstFrame: { readonly ours: () => Promise<number>; readonly floor: () => Promise<number> };
}

/* An app that calls, at its smallest: the address says who this is, and whether and with what it answers. */
const address = new URLSearchParams(location.search);
const answers = address.get('answers') === 'silently' ? { audio: false, video: false } : {};
globalThis.caller = new Caller(address.get('user') ?? '', address.has('answers') ? answers : null);
globalThis.caller.client.connect().catch(() => undefined);
globalThis.firstFrame = { ours: oursMs, floor: floorMs };
