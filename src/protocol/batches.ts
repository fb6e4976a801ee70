/** Limits of one frame with several requests or pushes. */
export const BATCH_LIMITS = {
  batchEntries: 128,
  /** Size of the payloads in one frame. */
  batchBytes: 262_144,
} as const;
