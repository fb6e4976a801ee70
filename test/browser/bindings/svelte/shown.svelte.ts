/** The conversation that the app shows. */
export function createShown(initial: string | undefined): { id: string | undefined } {
  const shown = $state({ id: initial });
  return shown;
}
