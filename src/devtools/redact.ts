/** Names of fields that may hold a secret: tokens of the user, keys of messages and files, passwords. */
const SECRET_NAME = /(?:token|keys?|secret|passphrase|password|credentials?|authorization|privateKey|signature)$/i;
/** Parameters of addresses that give access, as those of signed downloads. */
const SECRET_PARAMETER = /([?&][^=&#\s"]*(?:token|key|secret|signature|credential|sig)[^=&#\s"]*=)[^&#\s"]+/gi;
const HIDDEN = '[hidden]';

/** Formats a value as JSON without what must not be shown: tokens and keys, by the names of their fields and parameters. */
export function formatPayload(value: unknown, indent?: number): string {
  return JSON.stringify(value, hideSecrets, indent) ?? String(value);
}

function hideSecrets(name: string, value: unknown): unknown {
  if (value !== undefined && value !== null && SECRET_NAME.test(name)) return HIDDEN;
  // The fields of an error that its JSON leaves out. Its cause may hold what the app has thrown.
  if (value instanceof Error)
    return { name: value.name, message: value.message, ...Object.fromEntries(Object.entries(value)) };
  return typeof value === 'string' ? value.replaceAll(SECRET_PARAMETER, `$1${HIDDEN}`) : value;
}
