import { defineConfig } from 'tsdown';

// All entries in one configuration: separate ones would each get their own copy of shared classes such as CommError.
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    protocol: 'src/protocol/index.ts',
    server: 'src/server/index.ts',
    node: 'src/node/index.ts',
    testing: 'src/testing/index.ts',
    'testing-browser': 'src/testing/browser.ts',
    cli: 'src/cli.ts',
  },
  format: 'esm',
  // Browsers and Node alike: nothing is shimmed, and what only Node has stays an import.
  platform: 'neutral',
  deps: { neverBundle: [/^node:/] },
  fixedExtension: true,
  target: 'es2022',
  dts: true,
  sourcemap: true,
  clean: true,
  // A warning in a build is an error nobody has met yet.
  failOnWarn: true,
  // The client imports the words of the wire and none of its schemas: in one chunk, it would carry the validator.
  outputOptions: {
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        { name: 'words', test: /src\/protocol\/(?:vocabulary|limits|errors|events)\.ts$/, priority: 2 },
        // One request for what is loaded at once where it is wanted; the rest of it is loaded when it is needed.
        {
          name: 'end-to-end',
          test: /src\/(?:lib\/(?:base64|bytes|keyed-queue)\.ts$|storage\/device-key\.ts$|client\/encryption\/(?!attachments|backup|bundle|call|edits|encryption|given|group|kept|resending|resetting|safety|search|sender|session-start|starting|uploading)[a-z0-9-]+\.ts$)/,
          priority: 3,
        },
        { name: 'schemas', test: /src\/protocol\/[a-z]+\.ts$/, priority: 1 },
      ],
    },
  },
  // …but a slow machine is no reason to fail.
  inputOptions: { checks: { pluginTimings: false }, preserveEntrySignatures: 'allow-extension' },
});
