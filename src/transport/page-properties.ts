type Host = object;

/** Removes the interception and restores the property. */
type Restore = () => void;

/**
 * Defines an accessor on the instance that reports each assignment and forwards it to the original property: an own field,
 * or an accessor of the class such as a reactive property of Lit, which keeps rendering.
 *
 * @param assigned - called with each assigned value
 * @throws TypeError if the property is not configurable
 */
export function interceptProperty(host: Host, name: string, assigned: (value: unknown) => void): Restore {
  const own = Reflect.getOwnPropertyDescriptor(host, name);
  const inherited = own === undefined ? findInherited(host, name) : undefined;
  const accessor = [own, inherited].find((each) => each?.get !== undefined || each?.set !== undefined);
  const before = own ?? inherited;
  let value: unknown = before?.value;
  let wasAssigned = false;
  const get = (): unknown => (accessor === undefined ? value : (accessor.get?.call(host) as unknown));
  const set = (next: unknown): void => {
    wasAssigned = true;
    if (accessor === undefined) value = next;
    else accessor.set?.call(host, next);
    if (listening) assigned(next);
  };
  let listening = Reflect.defineProperty(host, name, {
    configurable: true,
    enumerable: own?.enumerable ?? true,
    get,
    set,
  });
  if (!listening) throw new TypeError(`The property ${name} of the page component is not configurable`);
  return () => {
    listening = false;
    // Other code has replaced the accessor since; restoring would remove its replacement.
    if (Reflect.getOwnPropertyDescriptor(host, name)?.get !== get) return;
    Reflect.deleteProperty(host, name);
    if (own !== undefined) Reflect.defineProperty(host, name, accessor === undefined ? { ...own, value } : own);
    else if (accessor === undefined && wasAssigned) Reflect.set(host, name, value);
  };
}

function findInherited(host: Host, name: string): PropertyDescriptor | undefined {
  for (let proto = Reflect.getPrototypeOf(host); proto !== null; proto = Reflect.getPrototypeOf(proto)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(proto, name);
    if (descriptor !== undefined) return descriptor;
  }
  return undefined;
}
