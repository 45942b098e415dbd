import type { Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import type { KindTable } from './kind.ts';
import type { Decoded } from './object.ts';

/** 1-based place of a value in its text. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface DecodeOptions {
  /** Where the value (or, with `key`, the name) at a path stands. */
  readonly position?: (path: readonly (string | number)[], part: 'key' | 'value') => Position | undefined;
  /** Severity of unknown fields; `error` unless the object comes from an API server that may be newer than this program. */
  readonly unknownFields?: 'error' | 'warning';
}

/** Decodes one object by its kind's table. */
export function decodeObject<Spec>(
  _table: KindTable<Spec, unknown>,
  _raw: unknown,
  _origin: Origin,
  _options: DecodeOptions,
): Decoded<Spec> {
  const problems: Problem[] = [];
  return { problems };
}
