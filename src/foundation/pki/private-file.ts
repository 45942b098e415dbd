import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Fault, messageOf } from '#base/fault.ts';
import { SecretBytes } from './secret.ts';

/**
 * Writes a file of mode 0600 at once: readers see the old content or the new, never a part, also after a power cut.
 * Missing folders are made with mode 0700. Throws the Fault `FILE_WRITE`.
 */
export function writePrivateFile(path: string, content: SecretBytes | string): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(temporary, { force: true });
    const file = openSync(temporary, 'wx', 0o600);
    try {
      const bytes = content instanceof SecretBytes ? content.reveal() : Buffer.from(content);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    discard(temporary);
    throw new Fault('FILE_WRITE', `${path} could not be written: ${messageOf(error)}`, {
      cause: error,
      fix: 'Check the free space and the permissions of its folder.',
    });
  }
}

/** The first failure is the one to report; what cannot be removed is overwritten by the next attempt. */
function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The folder itself is unusable, which the Fault already says.
  }
}
