import { expect, test } from 'vitest';
import { typeErrors } from '../../helpers/documentation/check-types.ts';
import { snippetsOf } from '../../helpers/documentation/snippets.ts';

const PAGES = ['README.md', 'docs/operations.md', 'docs/lumenjs.md', 'docs/calls.md', 'docs/encryption.md'];
const minutes = 60_000;

test(
  'every TypeScript snippet of the documentation compiles against the package, and one that does not is found',
  () => {
    const snippets = PAGES.flatMap(snippetsOf).filter(({ language }) => language === 'ts' || language === 'tsx');
    expect(snippets.length).toBeGreaterThan(4);
    const code = "import { CommClient } from 'lumen-comm';\nnew CommClient().shout();\n";
    const wrong = { page: 'x.md', line: 10, language: 'ts', file: undefined, code, prints: [] };
    expect(typeErrors([...snippets, wrong])).toEqual(["x.md:12 Property 'shout' does not exist on type 'CommClient'."]);
  },
  2 * minutes,
);
