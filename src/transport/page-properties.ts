type Host = object;

/** Takes an intercepted property off again. */
type Restore = () => void;

/**
 * Puts an accessor on the instance that tells each assignment and passes it on to whatever the property was before: a
 * field of its own, or an accessor of its class, such as a reactive property of Lit, which then still renders.
 *
 * @throws TypeError when the property is sealed
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
  if (!listening) throw new TypeError(`The page component's property ${name} is sealed and can't be listened to`);
  return () => {
    listening = false;
    // Somebody may have put theirs over ours, and restoring would take that away.
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
