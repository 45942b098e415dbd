import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Fault } from '#base/fault.ts';
import type { Settings } from '#process/settings.ts';

/** The Envoy to run: MESHWRIGHT_ENVOY, else what `npm run peers` fetched, else one on the PATH; a Fault that says how to get it. */
export function findEnvoy(settings: Settings, environment: Readonly<Record<string, string | undefined>>): string {
  if (settings.envoy !== '') {
    if (isExecutable(settings.envoy)) return settings.envoy;
    throw new Fault('no-envoy', `MESHWRIGHT_ENVOY names ${settings.envoy}, which is no executable file`, { fix: 'Correct or unset it.' });
  }
  const places = [peersDir(settings, environment), ...(environment.PATH ?? '').split(delimiter)].filter(Boolean);
  const found = places.map((folder) => join(folder, 'envoy')).find(isExecutable);
  if (found) return found;
  throw new Fault('no-envoy', 'there is no Envoy on this machine', {
    fix: 'Run "npm run peers -- envoy" to fetch it once, or set MESHWRIGHT_ENVOY to a binary, or use --proxy embedded.',
  });
}

/** The folder that `npm run peers` fills. */
function peersDir(settings: Settings, environment: Readonly<Record<string, string | undefined>>): string {
  if (settings.peersDir !== '') return settings.peersDir;
  const cache = environment.XDG_CACHE_HOME || (environment.HOME ? join(environment.HOME, '.cache') : '');
  return cache && join(cache, 'meshwright', 'peers');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
