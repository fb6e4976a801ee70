/** Runs many seeds of the fault test: `npm run soak -- --seeds 500 --from 1`. Prints a summary of each seed and its failures. */
import { soak, USER_ACTIONS } from './run-soak.ts';
import { runSeed } from './scenario.ts';

await soak((seed, log) => runSeed(seed, log), [...USER_ACTIONS, 'kills']);
