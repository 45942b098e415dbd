import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';

const key = 'meshwright-theme';
const listeners = new Set<() => void>();
const dark = window.matchMedia('(prefers-color-scheme: dark)');
let theme: Theme = readTheme();
apply();
dark.addEventListener('change', apply);

function readTheme(): Theme {
  const stored = window.localStorage.getItem(key);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

function apply(): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const listener of listeners) listener();
}

export function setTheme(next: Theme): void {
  theme = next;
  window.localStorage.setItem(key, next);
  apply();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => theme);
}

/** Which of the two is shown; for what is painted on a canvas. */
export function useShownTheme(): 'light' | 'dark' {
  return useSyncExternalStore(subscribe, () => (theme === 'system' ? (dark.matches ? 'dark' : 'light') : theme));
}

const lessMotion = window.matchMedia('(prefers-reduced-motion: reduce)');

/** Whether the system asks for less motion. */
export function useStill(): boolean {
  return useSyncExternalStore(
    (listener) => {
      lessMotion.addEventListener('change', listener);
      return () => lessMotion.removeEventListener('change', listener);
    },
    () => lessMotion.matches,
  );
}

/** The value of a colour token as the canvas understands it. */
export function colour(token: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(--${token})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
