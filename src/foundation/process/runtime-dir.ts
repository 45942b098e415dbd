import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { codeOf, Fault } from '#base/fault.ts';

/** Bytes that `sockaddr_un.sun_path` holds on Linux without its final zero (unix(7)); macOS has four fewer. */
const longestSocketPath = process.platform === 'darwin' ? 103 : 107;

/**
 * A short folder for sockets and leases, one per state folder, mode 0700, made when absent. `$XDG_RUNTIME_DIR` is used
 * when handed in, else the system's folder for temporary files. A folder of that name that another user owns or that
 * others may enter is refused with a Fault: sockets in it could be replaced.
 */
export function ensureRuntimeDir(
  stateDir: string,
  options: { readonly override?: string; readonly xdgRuntimeDir?: string | undefined },
): string {
  const { uid } = userInfo();
  const hash = createHash('sha256').update(resolve(stateDir)).digest('hex').slice(0, 8);
  const folder =
    options.override ||
    (options.xdgRuntimeDir ? join(options.xdgRuntimeDir, `meshwright-${hash}`) : join(tmpdir(), `meshwright-${uid}-${hash}`));
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const stat = lstatSync(folder);
    if (stat.isDirectory() && (uid < 0 || (stat.uid === uid && (stat.mode & 0o077) === 0))) return folder;
  } catch (error) {
    throw new Fault('runtime-dir', `cannot make the runtime folder ${folder}: ${codeOf(error) || String(error)}`, {
      cause: error,
      fix: 'Set MESHWRIGHT_RUNTIME_DIR to a short folder that you may write.',
    });
  }
  throw new Fault('runtime-dir', `the runtime folder ${folder} belongs to another user or is open to others`, {
    fix: `Remove it or run chmod 700 on it, or set MESHWRIGHT_RUNTIME_DIR to another short folder.`,
  });
}

/** Removes the folder when nothing is in it any more: workloads that outlive their control plane keep it. */
export function leaveRuntimeDir(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // In use, or gone already.
  }
}

/** The path of socket `name` in `folder`; a Fault when it is too long for the system. */
export function socketPath(folder: string, name: string): string {
  const path = join(folder, name);
  const length = Buffer.byteLength(path);
  if (length <= longestSocketPath) return path;
  throw new Fault('socket-path', `the socket path ${path} has ${length} bytes; the system allows ${longestSocketPath}`, {
    fix: 'Set MESHWRIGHT_RUNTIME_DIR to a shorter folder.',
  });
}
