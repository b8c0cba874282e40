// An object of a driver, with some of its members replaced: everything else is the object's own, whatever the driver adds to it.

/**
 * @param this_ what methods get as `this`: the object, or the facade, whose members they then use.
 */
export function facadeOf<T extends object>(
  target: T,
  members: Readonly<Record<string, unknown>>,
  this_: 'target' | 'facade',
): T {
  return new Proxy(target, {
    get: (_, key) => {
      if (typeof key === 'string' && Object.hasOwn(members, key)) {
        return members[key];
      }
      const value: unknown = Reflect.get(target, key, target);
      // What it has of its own are values, classes among them; methods come from its class.
      return this_ === 'target' && typeof value === 'function' && !Object.hasOwn(target, key) && key !== 'constructor'
        ? value.bind(target)
        : value;
    },
  });
}
