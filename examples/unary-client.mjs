// A client without the SDK: the proto files, unary calls, plain JavaScript. What it does, any language with gRPC can do.
//
//   npm start                       # in another terminal
//   npm run example unary-client    # or: npm run example unary-client -- <coordinator>
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const protoFolder = fileURLToPath(new URL('../proto', import.meta.url));
const definition = loadSync(['concordat/v1/transaction.proto', 'concordat/v1/resource.proto'], {
  includeDirs: [protoFolder],
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
const { concordat } = loadPackageDefinition(definition);

/** Longest wait for one call. It bounds the wait only: the transaction has its own timeout, at the coordinator. */
const CALL_MS = 20_000;
const TRANSACTION_MS = 10_000;

/** Request ids are this caller's own, over all its connections: a repeated request hears its first answer, and nobody else's. */
const caller = new Metadata();
caller.set('concordat-caller', randomUUID());

function open(Service, address) {
  const client = new Service(address, credentials.createInsecure());
  const call = (method, request) =>
    new Promise((resolve, reject) => {
      client[method](request, caller, { deadline: Date.now() + CALL_MS }, (error, response) =>
        error === null ? resolve(response) : reject(error),
      );
    });
  return { call, close: () => client.close() };
}

/**
 * Runs the statements of each branch and commits all of them, or none.
 * @param {string} address of the coordinator
 * @param {{ resource: string, statements: { sql: string, parameters?: object[] }[] }[]} work in its order; a resource may come more than once
 */
export async function runTransaction(address, work) {
  const coordinator = open(concordat.v1.TransactionService, address);
  const sidecars = [];
  let gtrid;
  try {
    // Every request that changes something carries an id: repeated after a lost answer, it is not done twice.
    ({ gtrid } = await coordinator.call('begin', { requestId: randomUUID(), timeoutMs: TRANSACTION_MS }));
    const branches = new Map();
    const results = [];
    for (const { resource, statements } of work) {
      // Enlist says where the participant listens, and tells the coordinator that the branch belongs to the transaction.
      const {
        bqual,
        address: sidecarAddress,
        timeoutMs,
      } = await coordinator.call('enlist', {
        requestId: randomUUID(),
        gtrid,
        resource,
      });
      const sidecar = open(concordat.v1.ResourceService, sidecarAddress);
      sidecars.push(sidecar);
      // A resource that comes again has the same branch, and its statements go on where the others ended.
      const branch = branches.get(bqual) ?? { bqual, instance: '', statements: 0 };
      branches.set(bqual, branch);
      for (const { sql, parameters = [] } of statements) {
        // Numbered from 1 within the branch: a number that is repeated is answered again and not run again, for a caller whose answer was
        // lost; one that comes without those before it is refused.
        branch.statements += 1;
        const answer = await sidecar.call('execute', {
          gtrid,
          bqual,
          sql,
          parameters,
          statement: branch.statements,
          timeoutMs: branch.statements === 1 ? timeoutMs : 0,
        });
        branch.instance = answer.instance;
        results.push(answer);
      }
    }
    const named = [...branches.values()].map(({ bqual, instance }) => ({ bqual, instance }));
    const { outcome } = await commit(coordinator, gtrid, named);
    return { gtrid, outcome, results };
  } catch (error) {
    if (gtrid !== undefined) {
      // Harmless after the end. Without it the coordinator rolls back at the timeout, and holds the locks until then.
      await coordinator
        .call('rollback', { requestId: randomUUID(), gtrid, reason: 'the client gave up' })
        .catch(() => {});
    }
    throw error;
  } finally {
    for (const { close } of [coordinator, ...sidecars]) {
      close();
    }
  }
}

/** A commit whose answer is lost is asked for again with the same request id: it has one outcome, however often it is asked. */
async function commit(coordinator, gtrid, branches) {
  const request = { requestId: randomUUID(), gtrid, branches };
  for (let attempt = 1; ; attempt++) {
    try {
      return await coordinator.call('commit', request);
    } catch (error) {
      const lost = error.code === 14 || error.code === 4; // UNAVAILABLE, DEADLINE_EXCEEDED
      if (!lost || attempt === 5) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 200 * attempt));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const order = (amount) =>
    `insert into customer_order (id, customer_id, amount) values ('${randomUUID()}', 1, ${amount})`;
  const { gtrid, outcome } = await runTransaction(process.argv[2] ?? 'localhost:7420', [
    { resource: 'accounts', statements: [{ sql: 'update customer set deposit = deposit - 25 where id = 1' }] },
    { resource: 'orders', statements: [{ sql: order(10) }, { sql: order(15) }] },
  ]);
  console.log(`${gtrid}: ${outcome}`);
}
