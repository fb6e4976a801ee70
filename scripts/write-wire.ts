import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PROTOCOL_VERSION } from '../src/protocol/index.ts';
import { describeWire, printWire, wireFile } from '../test/helpers/describe-wire.ts';

const file = wireFile(PROTOCOL_VERSION);
await writeFile(file, printWire(describeWire()));
console.log(`Wrote ${fileURLToPath(file)}`);
