import fc from 'fast-check';

/** Property tests generate the same values in every run. `PROPERTY_SEED=2 npm run vitest` tries others. */
fc.configureGlobal({ seed: Number(process.env['PROPERTY_SEED'] ?? 1) });

export { fc };
