/**
 * Which pages may talk to the server. A request without an `Origin` comes from no page, or from one that only reads from
 * what its browser takes for its own server.
 */
export interface OriginPolicy {
  /** Whether the page may talk to a server that was addressed as `host` (the `Host` header). */
  admits(origin: string | undefined, host: string | undefined): boolean;
  /** Whether the page is let in from elsewhere: the browser then wants to be told so (CORS). */
  lists(origin: string): boolean;
}

export interface OriginOptions {
  origins: readonly string[];
  /** It listens on a loopback address and believes user ids: any page that reaches it can be anybody. */
  development: boolean;
}

/**
 * The listed origins, the server's own, and in development mode loopback ones. WebSockets know no CORS, so this is
 * asked for them too. In development mode the server doesn't take its own name from a `Host` header, and doesn't answer
 * to just any: a page elsewhere can have its name resolve to 127.0.0.1 (DNS rebinding).
 */
export function originPolicy({ origins, development }: OriginOptions): OriginPolicy {
  const listed = new Set(origins.map(normalized));
  const listedHosts = new Set([...listed].map(hostOf));
  const lists = (origin: string): boolean => listed.has(origin) || (development && isLoopbackOrigin(origin));
  const answersTo = (host: string): boolean => listedHosts.has(host) || isLoopbackOrigin(`http://${host}`);
  return {
    lists,
    admits(origin, host) {
      const name = host?.toLowerCase();
      if (origin === undefined) return !development || name === undefined || answersTo(name);
      return lists(origin) || (!development && hostOf(origin) === name);
    },
  };
}

/** `127.0.0.0/8`, `::1` and `localhost` (RFC 6761, section 6.3). */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function isLoopbackOrigin(origin: string): boolean {
  const url = URL.parse(origin);
  return url !== null && /^https?:$/.test(url.protocol) && isLoopback(url.hostname);
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}

function normalized(origin: string): string {
  const url = URL.parse(origin);
  if (url !== null && /^https?:$/.test(url.protocol)) return url.origin;
  // Apps in a web view have schemes of their own, whose origin the URL standard doesn't define.
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/]+$/.test(origin)) return origin;
  throw new TypeError(`An origin looks like https://app.example.com: ${origin}`);
}
