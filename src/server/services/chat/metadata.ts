import type { JsonObject } from '../../../protocol/metadata.ts';

/** Writes the column `metadata`. An empty object is no data. */
export function writeMetadata(metadata: JsonObject | undefined): string | null {
  if (metadata === undefined) return null;
  const json = JSON.stringify(metadata);
  return json === '{}' ? null : json;
}
