// Types of the example, for the test that runs it.
export interface Work {
  readonly resource: string;
  readonly statements: readonly { readonly sql: string; readonly parameters?: readonly object[] }[];
}

export declare function runTransaction(
  address: string,
  work: readonly Work[],
): Promise<{ readonly gtrid: string; readonly outcome: string; readonly results: readonly unknown[] }>;
