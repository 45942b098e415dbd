import type { MouseEvent, ReactNode } from 'react';
import type { ObjectRef, OriginView } from '#server/api.ts';
import { go, nodeHref, objectHref } from '../state/location.ts';

/** A real link (opens in a new tab, can be copied) that changes the view without loading the page. */
export function Link({
  href,
  children,
  className,
  current,
}: {
  readonly href: string;
  readonly children: ReactNode;
  readonly className?: string;
  readonly current?: boolean;
}) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(href);
  };
  return (
    <a href={href} className={className} onClick={follow} aria-current={current ? 'page' : undefined}>
      {children}
    </a>
  );
}

export function ObjectLink({ object, short }: { readonly object: ObjectRef; readonly short?: boolean }) {
  return (
    <Link href={objectHref(object)} className="mono">
      {short ? object.name : `${object.kind} ${object.namespace ? `${object.namespace}/` : ''}${object.name}`}
    </Link>
  );
}

/** Where something came from: a link to the object, then what the text says beyond its name. */
export function OriginLink({ origin: { object, text } }: { readonly origin: OriginView }) {
  if (!object) return <span className="mono">{text}</span>;
  const name = `${object.kind} ${object.namespace ? `${object.namespace}/` : ''}${object.name}`;
  const more = text.startsWith(`${name} `) ? text.slice(name.length + 1).replace(/^\((generation \d+)\)/, '$1') : text === name ? '' : text;
  return (
    <>
      <ObjectLink object={object} /> {more && <span className="mono muted">{more}</span>}
    </>
  );
}

/** A service or workload by its graph id. */
export function NodeLink({ id }: { readonly id: string }) {
  const href = nodeHref(id);
  const name = id.split('/').at(-1) ?? id;
  return href ? (
    <Link href={href} className="mono">
      {name}
    </Link>
  ) : (
    <span className="mono">{name}</span>
  );
}
