import { pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** JSON lines to standard error: time, level, scope, message, context. Context never holds secrets. */
export interface Logger {
  debug(message: string, context?: Readonly<Record<string, unknown>>): void;
  info(message: string, context?: Readonly<Record<string, unknown>>): void;
  warn(message: string, context?: Readonly<Record<string, unknown>>): void;
  error(message: string, context?: Readonly<Record<string, unknown>>): void;
}

const redact = ['token', 'key', 'password', 'authorization', '*.token', '*.key', '*.password', '*.authorization'];
const root = pino(
  { level: 'info', base: null, redact, formatters: { level: (level) => ({ level }) }, timestamp: pino.stdTimeFunctions.isoTime },
  pino.destination({ fd: 2, sync: true }),
);
const scopes = new Map<string, pino.Logger>();
let defaultLevel: LogLevel = 'info';

/** The logger of one scope (`pilot`, `xds`, `apiserver`, ...); the same value for the same name. */
export function logger(scope: string): Logger {
  let child = scopes.get(scope);
  if (!child) {
    child = root.child({ scope }, { level: defaultLevel });
    scopes.set(scope, child);
  }
  const target = child;
  return {
    debug: (message, context) => target.debug(context ?? {}, message),
    info: (message, context) => target.info(context ?? {}, message),
    warn: (message, context) => target.warn(context ?? {}, message),
    error: (message, context) => target.error(context ?? {}, message),
  };
}

/** Sets one scope's level, or every scope's (present and future) when `scope` is absent. */
export function setLogLevel(level: LogLevel, scope?: string): void {
  if (scope) {
    logger(scope);
    const target = scopes.get(scope);
    if (target) target.level = level;
    return;
  }
  defaultLevel = level;
  root.level = level;
  for (const target of scopes.values()) target.level = level;
}

/** Levels per scope, sorted by name. */
export function logLevels(): Record<string, string> {
  return Object.fromEntries([...scopes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, target]) => [name, target.level]));
}
