import { HeaderValueOption_HeaderAppendAction, type HeaderValueOptionSchema } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import type { HeaderOperations, Headers } from '#resources/networking/destination.ts';
import type { InitOf } from '../messages.ts';

type HeaderInit = InitOf<typeof HeaderValueOptionSchema>;

/** Header changes in the form that routes, virtual hosts and weighted clusters share. */
interface HeaderChanges {
  readonly requestHeadersToAdd: HeaderInit[];
  readonly requestHeadersToRemove: string[];
  readonly responseHeadersToAdd: HeaderInit[];
  readonly responseHeadersToRemove: string[];
}

/** The changes of all of these, in order. Pseudo headers and `host` cannot be set as headers (`authorityOf` reads them). */
export function headerChanges(...sources: readonly (Headers | undefined)[]): HeaderChanges {
  return {
    requestHeadersToAdd: sources.flatMap((headers) => additions(headers?.request)),
    requestHeadersToRemove: sources.flatMap((headers) => removals(headers?.request)),
    responseHeadersToAdd: sources.flatMap((headers) => additions(headers?.response)),
    responseHeadersToRemove: sources.flatMap((headers) => removals(headers?.response)),
  };
}

/** `set` or `add` of `host` or `:authority` means a rewrite of the request's host. */
export function authorityOf(headers: Headers | undefined): string | undefined {
  for (const changes of [headers?.request?.set, headers?.request?.add]) {
    for (const [name, value] of Object.entries(changes ?? {})) if (isAuthority(name)) return value;
  }
  return undefined;
}

function isAuthority(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === 'host' || lower === ':authority';
}

function isSettable(name: string): boolean {
  return !name.startsWith(':') && name.toLowerCase() !== 'host';
}

/** Overwrites first, then what is appended. */
function additions(operations: HeaderOperations | undefined): HeaderInit[] {
  const of = (changes: Readonly<Record<string, string>> | undefined, appendAction: HeaderValueOption_HeaderAppendAction) =>
    Object.entries(changes ?? {})
      .filter(([name]) => isSettable(name))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]): HeaderInit => ({ header: { key, value }, appendAction }));
  return [
    ...of(operations?.set, HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD),
    ...of(operations?.add, HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD),
  ];
}

function removals(operations: HeaderOperations | undefined): string[] {
  return (operations?.remove ?? []).filter(isSettable);
}
