import { REST_ROUTES, type RestRouteName } from '../../protocol/constants.ts';
import { CommError } from '../../protocol/errors.ts';

/** A route and its parameter. */
export interface RouteMatch {
  readonly name: RestRouteName;
  /** Decoded value of `:id`. */
  readonly id: string | undefined;
}

const ROUTES = Object.entries(REST_ROUTES).map(([name, { method, path }]) => ({
  name: name as RestRouteName,
  method,
  segments: path.split('/').slice(1),
}));

/**
 * Finds the route of a request. The order of the table decides between `/messages/search` and `/messages/:id`.
 *
 * @returns `undefined` if no route matches the method and path
 * @throws CommError `INVALID` if a path segment is not valid percent-encoding
 */
export function matchRoute(method: string, pathname: string, restPath: string): RouteMatch | undefined {
  if (!pathname.startsWith(`${restPath}/`)) return undefined;
  const segments = pathname.slice(restPath.length + 1).split('/');
  const route = ROUTES.find(
    (each) =>
      each.method === method &&
      each.segments.length === segments.length &&
      each.segments.every(
        (segment, index) => segment === segments[index] || (segment === ':id' && segments[index] !== ''),
      ),
  );
  if (route === undefined) return undefined;
  const id = segments[route.segments.indexOf(':id')];
  return { name: route.name, id: id === undefined ? undefined : decoded(id) };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new CommError('INVALID', 'The path is not valid percent-encoding');
  }
}
