import { useEffect, useRef } from 'react';
import type { Numbers } from '#server/api.ts';
import { bytes, duration, rate, share } from '../format.ts';
import { useNumbers } from '../state/live.ts';

export type Quantity = 'rps' | 'errors' | 'p50' | 'p95' | 'p99';

export function quantityText(numbers: Numbers, quantity: Quantity): string {
  if (quantity === 'rps') return numbers.bps && !numbers.rps ? bytes(numbers.bps) : rate(numbers.rps);
  if (quantity === 'errors') return numbers.rps ? share(numbers.errors) : '–';
  return duration(numbers[quantity]);
}

/** A number that follows the mesh. A change shows as a short highlight; the layout never moves. */
export function LiveNumber({ id, quantity }: { readonly id: string; readonly quantity: Quantity }) {
  const numbers = useNumbers(id);
  const text = quantityText(numbers, quantity);
  const cell = useRef<HTMLSpanElement>(null);
  const shown = useRef(text);
  useEffect(() => {
    if (shown.current === text) return;
    shown.current = text;
    if (window.matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    cell.current?.animate([{ backgroundColor: 'var(--accent-soft)' }, { backgroundColor: 'transparent' }], {
      duration: 600,
      easing: 'ease-out',
    });
  }, [text]);
  const tone = quantity === 'errors' && numbers.rps ? (numbers.errors >= 0.05 ? 'bad' : numbers.errors >= 0.01 ? 'warn' : '') : '';
  return (
    <span ref={cell} className={`number ${tone} ${text === '0' || text === '–' || text === '0.0 %' ? 'zero' : ''}`}>
      {text}
    </span>
  );
}
