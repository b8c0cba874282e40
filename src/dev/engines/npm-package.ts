// A package of npm that is not among our dependencies, because a production server has no use for it: fetched when it is first needed.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.ts';
import { EngineUnavailableError } from './unavailable.ts';

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** As a lock file states it: no registry, mirror or proxy can give us another program. */
  readonly integrity: string;
}

const WORDS_MAX = 300;

/**
 * Installs it below `directory`, with the npm and the registry of this machine, and no script of its own is run.
 * @returns its folder.
 * @throws {EngineUnavailableError} it could not be fetched.
 */
export async function installNpmPackage(wanted: NpmPackage, directory: string): Promise<string> {
  const { name, version, integrity } = wanted;
  await mkdir(directory, { recursive: true });
  const project = { name: 'fetched', version: '1.0.0', dependencies: { [name]: version } };
  const packages = { '': project, [`node_modules/${name}`]: { version, integrity } };
  await writeFile(join(directory, 'package.json'), JSON.stringify(project));
  await writeFile(join(directory, 'package-lock.json'), JSON.stringify({ ...project, lockfileVersion: 3, packages }));
  // Inside npm and npx the running npm is known by its path.
  const path = process.env['npm_execpath'];
  const [file, first] = path?.endsWith('.js') === true ? [process.execPath, [path]] : ['npm', []];
  const args = [...first, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  try {
    await run(file, args, { cwd: directory, environment: npmEnvironment() });
  } catch (cause) {
    const words = (cause instanceof Error ? cause.message : String(cause))
      .replaceAll(/npm error /g, '')
      .replaceAll(/\s+/g, ' ')
      .slice(0, WORDS_MAX);
    throw new EngineUnavailableError(
      `${name} could not be fetched from your npm registry (${words}): check that \`npm view ${name} version\` works on this machine.`,
      { cause },
    );
  }
  return join(directory, 'node_modules', name);
}

/** The person's own settings for npm. What an outer npm says about its project does not hold for this call. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const isOuter = (name: string): boolean => /^npm_(config_local_prefix|config_prefix|package_|lifecycle_)/.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOuter(name)));
}
