/** Where something was written: as text, and as an object to look up when it is one. */
export interface OriginText {
  /** `reviews.yaml:12 (VirtualService default/reviews) spec.http[0]`. */
  readonly text: string;
  readonly object?: { readonly apiVersion: string; readonly kind: string; readonly namespace: string; readonly name: string };
}

/** One thing that was looked at on the request's way. */
export interface ExplainStep {
  /** `listener`, `filter chain`, `virtual service`, `virtual host`, `route`, `fault`, `timeout`, `retries`, `headers`, `cluster`... */
  readonly what: string;
  readonly name: string;
  /** `applied`: not a choice but something that happens to the request. */
  readonly verdict: 'matched' | 'missed' | 'applied';
  /** Why; may be empty. */
  readonly reason: string;
  readonly origin?: OriginText;
}
