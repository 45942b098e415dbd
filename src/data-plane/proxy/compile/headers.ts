import { HeaderValueOption_HeaderAppendAction as Action, type HeaderValueOption } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { formatError } from '../http/format.ts';
import type { HeaderOperation, HeaderOperations } from '../table.ts';
import { reject } from './rejection.ts';

const actions: Readonly<Record<number, HeaderOperation['action']>> = {
  [Action.APPEND_IF_EXISTS_OR_ADD]: 'append',
  [Action.ADD_IF_ABSENT]: 'add-if-absent',
  [Action.OVERWRITE_IF_EXISTS_OR_ADD]: 'overwrite',
  [Action.OVERWRITE_IF_EXISTS]: 'overwrite-if-exists',
};

export function headerOperations(add: readonly HeaderValueOption[], remove: readonly string[]): HeaderOperations {
  return { remove: remove.map((name) => name.toLowerCase()), add: add.map(operation) };
}

function operation(option: HeaderValueOption): HeaderOperation {
  const name = option.header?.key ?? '';
  const raw = option.header?.rawValue;
  const value = raw !== undefined && raw.length > 0 ? Buffer.from(raw).toString('latin1') : (option.header?.value ?? '');
  const field = `envoy.config.core.v3.HeaderValueOption ${name}`;
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) reject(field, 'is not a header name');
  if (/[\r\n\0]/.test(value)) reject(field, 'holds a line end');
  const error = formatError(value);
  if (error !== undefined) reject(field, `${error} is not supported`);
  const appendAction =
    option.append === false && option.appendAction === Action.APPEND_IF_EXISTS_OR_ADD ? 'overwrite' : actions[option.appendAction];
  return { name, value, action: appendAction ?? 'append', keepEmpty: option.keepEmptyValue };
}
