import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyTypeProvider,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Static, TSchema } from 'typebox';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#process/log.ts';
import type { Sessions } from '../access/sessions.ts';
import type { Sources } from '../sources.ts';
import type { LiveHub } from '../state/live-hub.ts';
import type { LiveState } from '../state/live-state.ts';

/** Gives handlers the types of their route's schemas. */
interface SchemaTypes extends FastifyTypeProvider {
  readonly validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  readonly serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

export type Api = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, SchemaTypes>;

/** What routes work with. */
export interface Context {
  readonly sources: Sources;
  readonly state: LiveState;
  readonly hub: LiveHub;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when the server closes; ends streams. */
  readonly closing: AbortSignal;
  /** The page's address, without a slash at its end. */
  readonly url: () => string;
}
