import { defineConfig } from 'vite';

/** The playground imports the built packages by name. Build them first. */
export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // The service worker reads the list of files to cache from the manifest.
    manifest: 'manifest.json',
    target: 'es2022',
    // The page is small; preloading modules would not make it faster.
    modulePreload: false,
    rolldownOptions: {
      input: {
        index: `${import.meta.dirname}/index.html`,
        'service-worker': `${import.meta.dirname}/src/service-worker.ts`,
      },
      output: {
        // The service worker needs a stable name. All other files have a content hash.
        entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
