/** A mistake in the command line. Its message never contains a secret. */
export class Mistake extends Error {}

/** An empty variable counts as unset, because shells and compose files can't omit it otherwise. */
export function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

/** Returns the name of an option's environment variable. */
export function variable(option: string): string {
  return `LUMEN_COMM_${option.toUpperCase().replaceAll('-', '_')}`;
}

/** Returns the values of a comma-separated variable. */
export function list(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}
