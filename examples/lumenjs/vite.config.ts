import { defineConfig } from 'vite';

// Only to check the page without LumenJS, which bundles it itself: the bundle for browsers must hold nothing of the server.
export default defineConfig({ build: { lib: { entry: 'pages/messages/index.ts', formats: ['es'] } } });
