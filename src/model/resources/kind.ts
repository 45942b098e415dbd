import type { Origin } from '#base/origin.ts';
import { type DecodeOptions, type DecodeTable, decodeObject } from './decode.ts';
import type { Decoded } from './object.ts';
import type { Schema } from './schema.ts';

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** JSONPath from the object's root, e.g. `.spec.hosts`. */
  readonly jsonPath: string;
  readonly description: string;
  /** 0 = always shown, 1 = only with `-o wide`. */
  readonly priority: number;
  readonly format?: string;
}

/** What a kind's file says of it. */
export interface KindTable<Spec, Status = unknown> extends DecodeTable<Spec> {
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly description: string;
  readonly printerColumns: readonly PrinterColumn[];
  readonly statusSchema?: Schema<Status>;
}

/** One kind: its names, its schema, and how its objects are read. */
export interface KindDefinition<Spec = unknown, Status = unknown> extends Omit<KindTable<Spec, Status>, 'validate'> {
  /** Decodes, defaults and validates one raw object of any served version. Never throws; reports every problem at once. */
  readonly decode: (raw: unknown, origin: Origin, options?: DecodeOptions) => Decoded<Spec>;
}

export function defineKind<Spec, Status = unknown>(table: KindTable<Spec, Status>): KindDefinition<Spec, Status> {
  const { validate, ...definition } = table;
  return { ...definition, decode: (raw, origin, options) => decodeObject(table, raw, origin, options ?? {}) };
}

/** `networking.istio.io/v1`, or `v1` in the core group. */
export function apiVersionOf(kind: Pick<KindDefinition, 'group'>, version: string): string {
  return kind.group === '' ? version : `${kind.group}/${version}`;
}
