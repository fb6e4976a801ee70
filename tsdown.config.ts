import { defineConfig } from 'tsdown';

// All entries in one configuration: separate ones would each get their own copy of shared classes such as CommError.
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    protocol: 'src/protocol/index.ts',
    server: 'src/server/index.ts',
    node: 'src/node/index.ts',
    cli: 'src/cli.ts',
  },
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  dts: true,
  sourcemap: true,
  clean: true,
});
