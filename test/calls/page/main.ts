import { Caller } from './caller.ts';
import { baselineMs, lumenMs } from './first-frame.ts';

declare global {
  // Used by expressions that the benchmark evaluates in the page.
  var firstFrame: { readonly lumen: () => Promise<number>; readonly baseline: () => Promise<number> };
}

/* A minimal calling app. The query selects the user and whether and how incoming calls are accepted. */
const address = new URLSearchParams(location.search);
const answers = address.get('answers') === 'silently' ? { audio: false, video: false } : {};
globalThis.caller = new Caller(address.get('user') ?? '', address.has('answers') ? answers : null);
globalThis.caller.client.connect().catch(() => undefined);
globalThis.firstFrame = { lumen: lumenMs, baseline: baselineMs };
