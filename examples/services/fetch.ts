// Calls another service within a transaction: the context goes along, and an answer that is no success rolls the transaction back.
import { CONTEXT_KEY, type TransactionWork } from '../../src/client/index.ts';

/** As `fetch`. @throws {Error} the answer is not 2xx; let it come out of the transaction's function. */
export async function fetchWithin(tx: TransactionWork, url: string | URL, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set(CONTEXT_KEY, tx.context);
  const response = await fetch(url, { ...init, headers });
  if (!response.ok) {
    throw new Error(`${init.method ?? 'GET'} ${url} answered ${response.status}: ${await response.text()}`);
  }
  return response;
}
