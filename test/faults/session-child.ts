/** Prints the figures of a session as JSON: `node --expose-gc session-child.ts 200000`. */
import { runSession } from './session.ts';

process.stdout.write(JSON.stringify(await runSession(Number(process.argv[2]))));
