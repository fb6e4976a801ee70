/** Scheme of a request. */
export type Scheme = 'http' | 'https';

/**
 * Decides which origins may access the server. Requests without an `Origin` header don't come from a page of another
 * origin.
 */
export interface OriginPolicy {
  /**
   * Returns whether a page of `origin` may access the server under the name `host` (the `Host` header).
   *
   * @param scheme - scheme by which the browser reached the server. @defaultValue 'http'
   */
  allows(origin: string | undefined, host: string | undefined, scheme?: Scheme): boolean;
  /** Returns whether the origin is listed as a cross-origin page, so that the response needs CORS headers. */
  lists(origin: string): boolean;
}

/** Options of {@link originPolicy}. */
export interface OriginOptions {
  /** Origins whose pages may access the server. */
  origins: readonly string[];
  /** Development mode: the server listens on a loopback address and accepts user ids unverified. */
  development: boolean;
  /**
   * Other host names by which the server may be reached, if it accepts user ids unverified; `undefined` allows every
   * host name, which is safe if requests carry tokens.
   */
  hosts?: readonly string[] | undefined;
}

/**
 * Creates the policy: the listed origins, the server's own origin (scheme, host and port) and, in development mode,
 * loopback origins are allowed. It also applies to WebSockets, which CORS doesn't cover. A request without a host is
 * rejected. If the server accepts user ids unverified, it accepts only loopback and listed host names, because a page of
 * another site can resolve its own name to the server's address (DNS rebinding).
 */
export function originPolicy({ origins, development, hosts }: OriginOptions): OriginPolicy {
  const restrictsHosts = development || hosts !== undefined;
  const listed = new Set(origins.map(normalized));
  const listedHosts = new Set<string | undefined>([...[...listed].map(hostOf), ...(hosts ?? [])]);
  const lists = (origin: string): boolean => listed.has(origin) || (development && isLoopbackOrigin(origin));
  const answersTo = (host: string): boolean =>
    listedHosts.has(host) || listedHosts.has(hostnameOf(host)) || isLoopbackOrigin(`http://${host}`);
  return {
    lists,
    allows(origin, host, scheme = 'http') {
      const name = host?.toLowerCase();
      if (name === undefined || name === '') return false;
      if (restrictsHosts && !answersTo(name)) return false;
      if (origin === undefined || lists(origin)) return true;
      return !development && URL.parse(`${scheme}://${name}`)?.origin === origin;
    },
  };
}

/** Returns whether a host is `127.0.0.0/8`, `::1` or `localhost` (RFC 6761, section 6.3). */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function isLoopbackOrigin(origin: string): boolean {
  const url = URL.parse(origin);
  return url !== null && /^https?:$/.test(url.protocol) && isLoopback(url.hostname);
}

/** Returns the name without the port. */
function hostnameOf(host: string): string | undefined {
  return URL.parse(`http://${host}`)?.hostname;
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}

function normalized(origin: string): string {
  const url = URL.parse(origin);
  if (url !== null && /^https?:$/.test(url.protocol)) return url.origin;
  // Apps in a web view use schemes whose origin the URL standard doesn't define.
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/]+$/.test(origin)) return origin;
  throw new TypeError(`origin must have the form https://app.example.com; got ${origin}`);
}
