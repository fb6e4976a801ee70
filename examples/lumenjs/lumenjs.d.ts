/** Provided by LumenJS. */
declare module '@lumenjs/db' {
  export function useDb(): import('lumen-comm-server').LumenDatabase;
}
