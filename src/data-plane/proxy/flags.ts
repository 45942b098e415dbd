/** Envoy's response flags: bit and short name. A request may carry several. */
export const flag = {
  UH: 1 << 0,
  UF: 1 << 1,
  UO: 1 << 2,
  NR: 1 << 3,
  URX: 1 << 4,
  NC: 1 << 5,
  DC: 1 << 6,
  LR: 1 << 7,
  UR: 1 << 8,
  UC: 1 << 9,
  UT: 1 << 10,
  DI: 1 << 11,
  FI: 1 << 12,
  RL: 1 << 13,
  DPE: 1 << 14,
  UPE: 1 << 15,
  UMSDR: 1 << 16,
  SI: 1 << 17,
  NFCF: 1 << 18,
  DT: 1 << 19,
  DF: 1 << 20,
  OM: 1 << 21,
  IH: 1 << 22,
  UAEX: 1 << 23,
} as const;

export type FlagName = keyof typeof flag;

const longNames: Readonly<Record<FlagName, string>> = {
  UH: 'NoHealthyUpstream',
  UF: 'UpstreamConnectionFailure',
  UO: 'UpstreamOverflow',
  NR: 'NoRouteFound',
  URX: 'UpstreamRetryLimitExceeded',
  NC: 'NoClusterFound',
  DC: 'DownstreamConnectionTermination',
  LR: 'LocalReset',
  UR: 'UpstreamRemoteReset',
  UC: 'UpstreamConnectionTermination',
  UT: 'UpstreamRequestTimeout',
  DI: 'DelayInjected',
  FI: 'FaultInjected',
  RL: 'RateLimited',
  DPE: 'DownstreamProtocolError',
  UPE: 'UpstreamProtocolError',
  UMSDR: 'UpstreamMaxStreamDurationReached',
  SI: 'StreamIdleTimeout',
  NFCF: 'NoFilterConfigFound',
  DT: 'DurationTimeout',
  DF: 'DnsResolutionFailed',
  OM: 'OverloadManagerTerminated',
  IH: 'InvalidEnvoyRequestHeaders',
  UAEX: 'UnauthorizedExternalService',
};

const entries = Object.entries(flag).map(([name, bit]) => ({ name, bit, long: longNames[name as FlagName] }));
const cache = new Map<number, string>([[0, '']]);

/** `UF,URX`; empty for no flag. */
export function flagNames(flags: number): string {
  let text = cache.get(flags);
  if (text === undefined) {
    text = entries
      .filter((entry) => (flags & entry.bit) !== 0)
      .map((entry) => entry.name)
      .join(',');
    cache.set(flags, text);
  }
  return text;
}

export function longFlagNames(flags: number): string {
  return entries
    .filter((entry) => (flags & entry.bit) !== 0)
    .map((entry) => entry.long)
    .join(',');
}

export function flagBit(name: string): number {
  return entries.find((entry) => entry.name === name)?.bit ?? 0;
}
