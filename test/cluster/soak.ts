/**
 * Runs many seeds of the faults on three processes: `npm run soak:cluster -- --seeds 200 --from 1`. Prints a summary of each seed
 * and its failures.
 */
import { soak, USER_ACTIONS } from '../faults/run-soak.ts';
import { runSeed } from '../faults/scenario.ts';
import { FAULTS, startClusterBed } from './cluster-bed.ts';

await soak((seed, log) => runSeed(seed, log, startClusterBed), [...USER_ACTIONS, ...Object.keys(FAULTS)]);
