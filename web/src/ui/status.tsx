import { Icon, type IconName } from './icon.tsx';

export type Tone = 'ok' | 'warn' | 'bad' | 'info' | 'unknown';

/** Never by colour alone: an icon and a word. */
export function Status({ tone, icon, children }: { readonly tone: Tone; readonly icon?: IconName; readonly children: string }) {
  return (
    <span className={`status ${tone}`}>
      <Icon name={icon ?? tone} size={14} />
      {children}
    </span>
  );
}

const healthWords = { ok: 'healthy', warn: 'degraded', bad: 'failing', idle: 'idle', unknown: 'unknown' } as const;

export function HealthStatus({ health }: { readonly health: keyof typeof healthWords }) {
  return (
    <Status tone={health === 'idle' ? 'unknown' : health} icon={health}>
      {healthWords[health]}
    </Status>
  );
}

const syncTones = { synced: 'ok', stale: 'warn', rejected: 'bad', 'never-sent': 'unknown' } as const;

export function SyncStatus({ state }: { readonly state: keyof typeof syncTones }) {
  return (
    <Status tone={syncTones[state]} icon={state === 'never-sent' ? 'idle' : syncTones[state]}>
      {state === 'never-sent' ? 'never sent' : state}
    </Status>
  );
}
