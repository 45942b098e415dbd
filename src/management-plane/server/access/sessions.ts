import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '#base/clock.ts';

export interface Session {
  readonly id: string;
  readonly expiresAt: number;
}

/** Who may write: holders of the token, and pages that were opened by a link whose code only the token's owner saw. */
export interface Sessions {
  isToken(presented: string): boolean;
  /** A code that opens one session within ten minutes. */
  createCode(): { readonly code: string; readonly expiresAt: number };
  /** undefined: unknown, used or expired. */
  redeem(code: string): Session | undefined;
  open(): Session;
  find(id: string): Session | undefined;
  end(id: string): void;
}

const codeLifeMs = 10 * 60_000;
const sessionLifeMs = 12 * 3_600_000;
const limit = 100;

export function createSessions(token: string, clock: Clock): Sessions {
  const codes = new Map<string, number>();
  const sessions = new Map<string, number>();

  const issue = (held: Map<string, number>, lifeMs: number) => {
    for (const [id, expiresAt] of held) if (expiresAt <= clock.now()) held.delete(id);
    if (held.size >= limit) held.delete(held.keys().next().value ?? '');
    const id = randomBytes(24).toString('base64url');
    const expiresAt = clock.now() + lifeMs;
    // Only the digest is kept, and looked up: neither timing nor a memory dump gives an id away.
    held.set(digest(id), expiresAt);
    return { id, expiresAt };
  };
  const lookUp = (held: Map<string, number>, id: string): Session | undefined => {
    const expiresAt = held.get(digest(id));
    return expiresAt !== undefined && expiresAt > clock.now() ? { id, expiresAt } : undefined;
  };

  return {
    isToken: (presented) => token.length > 0 && timingSafeEqual(Buffer.from(digest(presented)), Buffer.from(digest(token))),
    createCode() {
      const { id, expiresAt } = issue(codes, codeLifeMs);
      return { code: id, expiresAt };
    },
    redeem(code) {
      const found = lookUp(codes, code);
      codes.delete(digest(code));
      return found && issue(sessions, sessionLifeMs);
    },
    open: () => issue(sessions, sessionLifeMs),
    find: (id) => lookUp(sessions, id),
    end: (id) => {
      sessions.delete(digest(id));
    },
  };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
