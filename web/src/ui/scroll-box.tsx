import type { ReactNode } from 'react';

/** Text of its own width and height; reachable by keyboard, so that it can be scrolled without a mouse. */
export function ScrollBox({
  label,
  look,
  children,
}: {
  readonly label: string;
  readonly look: 'code-block' | 'diff';
  readonly children: ReactNode;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must take the focus
    <section className={look} aria-label={label} tabIndex={0}>
      <pre>{children}</pre>
    </section>
  );
}
