/** The URL of a worker entry beside `moduleUrl`: `x.worker` is `.ts` when running from source and `.js` when built. */
export function workerUrl(moduleUrl: string, name: string): URL {
  return new URL(`./${name}${moduleUrl.endsWith('.ts') ? '.ts' : '.js'}`, moduleUrl);
}
