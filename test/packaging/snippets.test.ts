import { expect, test } from 'vitest';
import { typeErrors } from '../helpers/documentation/check-types.ts';
import { PAGES, snippetsOf } from '../helpers/documentation/snippets.ts';

test.each(['bundler', 'nodenext'] as const)(
  'every TypeScript snippet of the documentation compiles in a project with module resolution %s',
  (resolution) => {
    const snippets = PAGES.flatMap(snippetsOf).filter(({ language }) => language === 'ts' || language === 'tsx');
    expect(snippets.length).toBeGreaterThan(15);
    const code = "import { CommClient } from 'lumen-comm';\nnew CommClient().shout();\n";
    const wrong = { page: 'x.md', line: 10, language: 'ts', file: undefined, code, prints: [] };
    expect(typeErrors([...snippets, wrong], resolution)).toEqual([
      "x.md:12 Property 'shout' does not exist on type 'CommClient'.",
    ]);
  },
);
