import type { Flags } from './command.ts';
import type { Io } from './io.ts';
import type { ObjectApi } from './object-api.ts';

export async function connectObjects(_flags: Flags, _io: Io): Promise<ObjectApi> {
  throw new Error('not yet');
}
