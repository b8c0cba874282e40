// A Fastify service that works in the transactions of its callers: `request.tx` is the caller's transaction, or undefined.
import { CONTEXT_KEY, type Concordat, type TransactionWork } from '../../src/client/index.ts';

/** What is used of a FastifyInstance. In your own code: declare module 'fastify' { interface FastifyRequest { tx?: TransactionWork } } */
interface App {
  decorateRequest(name: 'tx'): unknown;
  addHook(name: 'onRequest', hook: (request: Request) => Promise<void>): unknown;
}

interface Request {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  tx?: TransactionWork;
}

export function joinTransactions(app: App, concordat: Concordat): void {
  app.decorateRequest('tx');
  app.addHook('onRequest', async (request) => {
    const context = request.headers[CONTEXT_KEY];
    if (context !== undefined) {
      try {
        request.tx = concordat.join(String(context));
      } catch (error) {
        // Never outside of a transaction that the caller counts on.
        throw Object.assign(error as Error, { statusCode: 400 });
      }
    }
  });
}
