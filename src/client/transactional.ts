// A function, or a method, that is a scope whenever it is called.
import type { ScopedFunction } from './run-scoped.ts';

type AsyncFunction = (...values: never[]) => Promise<unknown>;

/** The part of TC39's decorator context that is looked at; `ClassMethodDecoratorContext` is one. */
interface MethodContext {
  readonly kind: 'method';
  readonly name: string | symbol;
}

/** Wraps an asynchronous function, or decorates a method of a class: what comes out has the same type. */
export type Transactional = <F extends AsyncFunction>(work: F, context?: MethodContext) => F;

export function transactionalFor(run: <T>(work: ScopedFunction<T>) => Promise<T>): Transactional {
  return <F extends AsyncFunction>(work: F, context?: MethodContext): F => {
    if (typeof work !== 'function' || (context !== undefined && context.kind !== 'method')) {
      // TypeScript's older decorators call with the class and a name.
      throw new TypeError(
        'transactional() wraps a function, or decorates a method as TC39 has it. Next: leave out experimentalDecorators, or wrap the function.',
      );
    }
    const scoped = function (this: unknown, ...values: Parameters<F>): Promise<unknown> {
      return run(() => work.apply(this, values));
    };
    Object.defineProperty(scoped, 'name', { value: work.name });
    // It takes and gives what `work` does.
    return scoped as F;
  };
}
