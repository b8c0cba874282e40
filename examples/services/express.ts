// An Express service that works in the transactions of its callers: `request.tx` is the caller's transaction, or undefined.
import { CONTEXT_KEY, type Concordat, type TransactionWork } from '../../src/client/index.ts';

/** What is used of an Express request. In your own code: declare global { namespace Express { interface Request { tx?: TransactionWork } } } */
interface Request {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  tx?: TransactionWork;
}

/** app.use(joinTransactions(concordat)) */
export function joinTransactions(concordat: Concordat) {
  return (request: Request, _response: unknown, next: (error?: unknown) => void): void => {
    const context = request.headers[CONTEXT_KEY];
    try {
      if (context !== undefined) {
        request.tx = concordat.join(String(context));
      }
      next();
    } catch (error) {
      // Never outside of a transaction that the caller counts on.
      next(Object.assign(error as Error, { status: 400 }));
    }
  };
}
