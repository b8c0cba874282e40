// What to do about a branch that does not end: from what its engine or its participant says, to a sentence for the person on call.
import type { Reason } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';

const LOGIN =
  'fix the account or the password in the sidecar’s URL, where %, @, /, # and ? are written as %25, %40, %2F, %23, %3F; a URL in a file (urlFile) is read again by itself, otherwise start the sidecar again';

const BY_SQLSTATE: readonly (readonly [RegExp, string])[] = [
  [/^42501$/, 'make the sidecar’s role a member of the role that prepared the branch, or run the sidecar as that role'],
  [/^25006$/, 'point the sidecar at the primary, or make the database writable again'],
  [/^28/, LOGIN],
  [/^42P01$/, 'create Concordat’s tables: concordat participant --print-sql postgresql|mysql|mariadb says how'],
  [/^53300$/, 'end other connections of the database, or allow more of them'],
  [/^(55P03|57014|40P01)$/, 'find the session that holds the locks which it waits for, and end it'],
];

const BY_ERRNO: Readonly<Record<number, string>> = {
  1040: 'end other connections of the database, or allow more of them',
  1045: LOGIN,
  1095: 'end the session that holds the branch, as an administrator or as the account that opened it (KILL)',
  1044: 'grant the sidecar’s account what the message names',
  1142: 'grant the sidecar’s account what the message names',
  1146: 'create Concordat’s tables: concordat participant --print-sql postgresql|mysql|mariadb says how',
  1205: 'find the session that holds the locks which it waits for, and end it',
  1227: 'grant the sidecar’s account what the message names',
  1290: 'point the sidecar at the primary, or make the database writable again',
  1836: 'point the sidecar at the primary, or make the database writable again',
};

/** @returns a sentence that begins with "Next:". */
export function fixFor(gtrid: Gtrid, bqual: Bqual, reason: Reason): string {
  const { code, sqlstate = '', errno = 0 } = reason;
  const known = BY_SQLSTATE.find(([pattern]) => pattern.test(sqlstate))?.[1] ?? BY_ERRNO[errno];
  const retry = `the coordinator repeats the call by itself; for a call at once run concordat tx retry ${gtrid}`;
  if (known !== undefined) {
    return `Next: ${known}; ${retry}.`;
  }
  switch (code) {
    case 'ENGINE_UNAVAILABLE':
      return `Next: bring the database of ${resourceOf(bqual)} back; ${retry}.`;
    case 'RESOURCE_UNAVAILABLE':
      return notAttached(bqual);
    case 'RESOURCE_IDENTITY':
      return otherDatabase(resourceOf(bqual));
    case 'BRANCH_STATE':
      return `Next: start the sidecar of ${resourceOf(bqual)} again; ${retry}.`;
    default:
      return `Next: fix what the message says; ${retry}.`;
  }
}

/** Its participant is at another database than the one that holds the branch. */
export function otherDatabase(resource: ResourceName): string {
  return `Next: bring the database of ${resource} back at its address: only that one holds the branch and can finish it.`;
}

export function notAttached(bqual: Bqual): string {
  const resource = resourceOf(bqual);
  return `Next: start its sidecar: concordat participant --resource ${resource} --url-file <file>.`;
}

/** The engine cannot say how the branch ended, so that a person has to. */
export function vouch(gtrid: Gtrid, bqual: Bqual): string {
  return `Look at the data, then run: concordat tx resolve ${gtrid} --branch ${bqual} --committed|--rolled-back --reason '…'`;
}

/** The reason as one piece of text: code, message, and the database's own words and numbers. */
export function tellReason({ code, message, sqlstate, errno }: Reason): string {
  const words = [
    ...(sqlstate === undefined || sqlstate === '' ? [] : [`SQLSTATE ${sqlstate}`]),
    ...(errno === undefined || errno === 0 ? [] : [`error ${errno}`]),
  ];
  return `${code}: ${message}${words.length === 0 ? '' : ` (${words.join(', ')})`}`;
}
