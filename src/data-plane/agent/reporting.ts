import { get } from 'node:http';
import { completeAccess, type ReportingWorkload } from './access.ts';
import { exposeIstioMetrics } from './istio-metrics.ts';
import type { RunningProxy } from './proxy-launcher.ts';
import { createTap, type Tap } from './tap.ts';

export interface ReportingOptions {
  readonly own: ReportingWorkload;
  readonly proxy: () => RunningProxy | undefined;
  /** The program's own Prometheus page, merged when given. */
  readonly programMetrics?: { readonly host: string; readonly port: number; readonly path: string };
  readonly version: string;
}

/** What an agent tells of its workload's traffic. */
export interface Reporting {
  readonly tap: Tap;
  /** Request metrics, proxy and program in one Prometheus text (Istio: merged metrics). */
  stats(): Promise<string>;
  /** To be called when another proxy took over. */
  proxyChanged(): void;
}

const scrapeTimeoutMs = 1_000;
const mostScrapedBytes = 4 * 1024 * 1024;

export function createReporting(options: ReportingOptions): Reporting {
  let listening = false;
  const observe = () => options.proxy()?.observe(listening ? (access) => tap.offer(completeAccess(access, options.own)) : undefined);
  const tap = createTap((now) => {
    listening = now;
    observe();
  });
  const build = `# HELP istio_build Version of the proxy's agent.\n# TYPE istio_build gauge\nistio_build{component="proxy",tag="${options.version}"} 1\n`;
  return {
    tap,
    proxyChanged: observe,
    async stats() {
      const proxy = options.proxy();
      const [rows, proxyStats, program] = await Promise.all([
        proxy?.metricRows() ?? [],
        proxy?.stats() ?? '',
        options.programMetrics ? scrape(options.programMetrics) : '',
      ]);
      return [exposeIstioMetrics(rows, options.own), build, proxyStats, program].map(endLine).join('');
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
