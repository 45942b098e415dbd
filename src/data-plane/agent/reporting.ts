import { get } from 'node:http';
import { completeAccess, type ProxyAccess, type ReportingWorkload } from './access.ts';
import type { AccessRecord } from './access-record.ts';
import { createRequestMetrics } from './request-metrics.ts';
import { createTap, type Tap } from './tap.ts';

export interface ReportingOptions {
  readonly own: ReportingWorkload;
  /** Most label combinations per protocol. */
  readonly maxSeries: number;
  readonly proxyStats: () => Promise<string>;
  /** The program's own Prometheus page, merged when given. */
  readonly programMetrics?: { readonly host: string; readonly port: number; readonly path: string };
  readonly version: string;
}

/** What an agent tells of its workload's traffic: metrics, tap. */
export interface Reporting {
  readonly tap: Tap;
  onAccess(access: ProxyAccess): void;
  /** Agent, proxy and program in one Prometheus text (Istio: merged metrics). */
  stats(): Promise<string>;
}

const scrapeTimeoutMs = 1_000;
const mostScrapedBytes = 4 * 1024 * 1024;

export function createReporting(options: ReportingOptions): Reporting {
  const metrics = createRequestMetrics(options.maxSeries);
  const tap = createTap();
  const build = `# HELP istio_build Version of the proxy's agent.\n# TYPE istio_build gauge\nistio_build{component="proxy",tag="${options.version}"} 1\n`;
  return {
    tap,
    onAccess(access) {
      const record: AccessRecord = completeAccess(access, options.own);
      metrics.observe(record, access.isGrpc);
      tap.offer(record);
    },
    async stats() {
      const [proxy, program] = await Promise.all([options.proxyStats(), options.programMetrics ? scrape(options.programMetrics) : '']);
      return [metrics.expose(), build, proxy, program].map(endLine).join('');
    },
  };
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** Empty when the program does not answer in time or too long-winded: its absence must not hide the rest. */
function scrape(target: { readonly host: string; readonly port: number; readonly path: string }): Promise<string> {
  return new Promise((resolve) => {
    const call = get({ ...target, agent: false, signal: AbortSignal.timeout(scrapeTimeoutMs) }, (answer) => {
      const parts: Buffer[] = [];
      let size = 0;
      answer.on('data', (part: Buffer) => {
        size += part.length;
        if (size > mostScrapedBytes) answer.destroy();
        else parts.push(part);
      });
      answer.once('close', () => resolve(answer.complete && answer.statusCode === 200 ? Buffer.concat(parts).toString() : ''));
      answer.once('error', () => resolve(''));
    });
    call.once('error', () => resolve(''));
  });
}
