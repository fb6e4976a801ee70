import { defineConfig, type UserConfig } from 'tsdown';
import { documentsPlugin } from './scripts/documents-plugin.ts';

/** What the builds of both packages have in common. */
const common: UserConfig = {
  format: 'esm',
  // No shims: code that needs Node imports it.
  platform: 'neutral',
  deps: { neverBundle: [/^node:/] },
  fixedExtension: true,
  target: 'es2022',
  dts: true,
  sourcemap: true,
  clean: true,
  failOnWarn: true,
};

/** Duration warnings of slow machines don't fail a build. */
const checks = { pluginTimings: false };

/**
 * The two published packages. Code that both use (lib, protocol) is bundled into each. The entries of one package are built
 * together, so that they share their classes.
 */
export default defineConfig([
  {
    ...common,
    name: 'lumen-comm',
    entry: {
      index: 'src/index.ts',
      media: 'src/media/index.ts',
      react: 'src/react/index.ts',
      vue: 'src/vue/index.ts',
      svelte: 'src/svelte/index.ts',
      lit: 'src/lit/index.ts',
      protocol: 'src/protocol/index.ts',
      node: 'src/node/index.ts',
      testing: 'src/testing/index.ts',
      devtools: 'src/devtools/index.ts',
    },
    inputOptions: { checks, preserveEntrySignatures: 'allow-extension' },
  },
  {
    ...common,
    name: 'lumen-comm-server',
    cwd: 'packages/server',
    tsconfig: '../../tsconfig.json',
    entry: {
      index: '../../src/server/index.ts',
      testing: '../../src/server/testing/index.ts',
      cli: '../../src/server/cli/main.ts',
    },
    plugins: [documentsPlugin()],
    inputOptions: { checks, preserveEntrySignatures: 'allow-extension' },
  },
]);
