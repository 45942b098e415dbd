import type { ProxyLauncher } from '#agent/proxy-launcher.ts';
import type { Clock } from '#base/clock.ts';
import { Fault } from '#base/fault.ts';
import type { Logger } from '#process/log.ts';

/** The embedded proxy in this very process: the agent is its control thread. */
export function embeddedLauncher(_options: { readonly metricSeries: number; readonly clock: Clock; readonly log: Logger }): ProxyLauncher {
  return async () => {
    throw new Fault('no-embedded-proxy', 'the embedded proxy is not part of this build');
  };
}
