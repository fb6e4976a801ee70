import { defineConfig } from 'vite';

/** The playground imports `lumen-comm` by its name, which leads to the built package: build that first. */
export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // The service worker reads from it what there is to keep.
    manifest: 'manifest.json',
    target: 'es2022',
    // One small page: a preloader would cost more than it brings.
    modulePreload: false,
    rolldownOptions: {
      input: {
        index: `${import.meta.dirname}/index.html`,
        'service-worker': `${import.meta.dirname}/src/service-worker.ts`,
      },
      output: {
        // A service worker is found again by its name, everything else by its content.
        entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
