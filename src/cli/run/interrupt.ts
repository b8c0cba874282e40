// Ctrl-C in front of a coordinator: the command ends at once, and says what is known of the change that it was asked for.
import { EXIT } from '../../xa/errors.ts';
import type { OutputFormat } from '../show/console.ts';
import type { AdminMethod, CallWatch } from './admin-client.ts';
import { CliError, renderFailure } from './failure.ts';

/** Calls that change something, and the command that shows whether they did. */
const CHANGES: Partial<Readonly<Record<AdminMethod, (request: Asked) => string>>> = {
  ResolveTransaction: ({ gtrid }) => `concordat tx show ${gtrid}`,
  ForgetTransaction: ({ gtrid }) => `concordat tx show ${gtrid}`,
  RetryTransaction: ({ gtrid }) => `concordat tx explain ${gtrid}`,
  AcceptResource: () => 'concordat resource list',
  ForgetResource: () => 'concordat resource list',
  AdoptLog: () => 'concordat log status',
  BackupLog: () => 'concordat log status',
  Drain: () => 'concordat status',
};

interface Asked {
  readonly gtrid?: unknown;
  readonly requestId?: unknown;
  readonly dryRun?: unknown;
}

type Known =
  | { readonly kind: 'nothing-sent' }
  | { readonly kind: 'sent' | 'answered'; readonly look: string; readonly requestId: string };

/** Ends the process with 130 at Ctrl-C, until it is disposed of. */
export function watchInterrupt(output: OutputFormat): CallWatch {
  let known: Known = { kind: 'nothing-sent' };
  const onSignal = (): void => {
    const { failure } = interruption(known);
    process.stderr.write(renderFailure(failure, output), () => process.exit(failure.exit));
  };
  process.on('SIGINT', onSignal);
  return {
    sent(method, request: Asked) {
      const look = CHANGES[method]?.(request);
      if (look === undefined || request.dryRun === true) {
        return () => undefined;
      }
      const what = { look, requestId: String(request.requestId ?? '') };
      known = { kind: 'sent', ...what };
      return () => {
        known = { kind: 'answered', ...what };
      };
    },
    [Symbol.dispose]() {
      process.off('SIGINT', onSignal);
    },
  };
}

function interruption(known: Known): CliError {
  const entry = { reason: 'INTERRUPTED', exit: EXIT.interrupted };
  if (known.kind === 'nothing-sent') {
    return new CliError({
      ...entry,
      message: 'The command was interrupted before it had sent anything that changes something: nothing was changed.',
      advice: 'Run it again if you still want it.',
    });
  }
  const { look, requestId } = known;
  const repeat = requestId === '' ? '' : `, or repeat the command with --request-id ${requestId}: it is done once only`;
  return new CliError({
    ...entry,
    message:
      known.kind === 'answered'
        ? 'The command was interrupted after the coordinator had done it.'
        : 'The command was interrupted after the change was sent, and whether it was done is not known.',
    advice: `Look with \`${look}\`${repeat}.`,
    metadata: requestId === '' ? {} : { requestId },
  });
}
