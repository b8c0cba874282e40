// Both sides of a gRPC call within a transaction, with grpc-js.
import { Metadata, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { CONTEXT_KEY, type Concordat, type TransactionWork } from '../../src/client/index.ts';

/** The caller: stub.Pay(request, within(tx), (error, answer) => …). An error rolls back when it comes out of the transaction's function. */
export function within(tx: TransactionWork): Metadata {
  const metadata = new Metadata();
  metadata.set(CONTEXT_KEY, tx.context);
  return metadata;
}

/** The service: the caller's transaction, or undefined. @throws what the handler answers its call with: INVALID_ARGUMENT. */
export function joined<Req, Res>(
  concordat: Concordat,
  { metadata }: ServerUnaryCall<Req, Res>,
): TransactionWork | undefined {
  const contexts = metadata.get(CONTEXT_KEY);
  if (contexts.length === 0) {
    return undefined;
  }
  try {
    return concordat.join(contexts.join());
  } catch (error) {
    // Never outside of a transaction that the caller counts on.
    throw Object.assign(error as Error, { code: status.INVALID_ARGUMENT });
  }
}
