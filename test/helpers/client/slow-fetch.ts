import { deferred } from '../../../src/lib/deferred.ts';

/** A `fetch` whose answers can be held back: the server has answered, and the answer is on its way. */
export function slowFetch(): {
  fetch: typeof fetch;
  hold: (path: RegExp) => { arrived: Promise<void>; release: () => void };
} {
  let held: { path: RegExp; arrived: () => void; gate: Promise<unknown> } | undefined;
  return {
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      const url = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
      if (held?.path.test(url) === true) {
        held.arrived();
        await held.gate;
      }
      return response;
    },
    hold(path) {
      const arrived = deferred<undefined>();
      const gate = deferred<undefined>();
      held = { path, arrived: () => arrived.resolve(undefined), gate: gate.promise };
      return {
        arrived: arrived.promise,
        release: () => {
          held = undefined;
          gate.resolve(undefined);
        },
      };
    },
  };
}
