/** Where a configuration object came from. Carried by every derived value so that a route can name the line behind it. */
export interface Origin {
  /** `file`, `kubernetes` (any API server, the embedded one included), `consul`, `generated` (nobody wrote it). */
  readonly source: 'file' | 'kubernetes' | 'consul' | 'generated';
  /** `networking.istio.io/v1/VirtualService`; absent for what is not an object. */
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  /** Path of the file as the user gave it. */
  readonly file?: string;
  /** 1-based line of the object's first character in `file`. */
  readonly line?: number;
  readonly generation?: number;
  readonly resourceVersion?: string;
  /** JSON path inside the object when the origin is narrower than the object, e.g. `spec.http[1].match[0]`. */
  readonly path?: string;
}

/** `reviews.yaml:12`, or `VirtualService default/reviews (generation 3)`, with the path appended when there is one. */
export function formatOrigin(origin: Origin): string {
  const kind = origin.kind?.split('/').at(-1) ?? '';
  const object = `${kind} ${origin.namespace ? `${origin.namespace}/` : ''}${origin.name ?? ''}`.trim();
  const place = origin.file
    ? `${origin.file}${origin.line ? `:${origin.line}` : ''}${object ? ` (${object})` : ''}`
    : `${object || origin.source}${origin.generation ? ` (generation ${origin.generation})` : ''}`;
  return origin.path ? `${place} ${origin.path}` : place;
}
