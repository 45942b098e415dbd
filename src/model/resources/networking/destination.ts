import { decimal, integer, list, map, message, text, unsigned, type Value } from '../schema.ts';

export const portSelector = message('A port of the service, by number.', {
  number: unsigned('Port number of the service (not the port the program listens on).'),
});

export const destination = message(
  'Where traffic goes: a service of the registry, optionally one of its subsets and one of its ports.',
  {
    host: text(
      'Host of a service in the registry: a Kubernetes service or a host of a ServiceEntry. A short name such as `reviews` means the service of that name in the namespace of this object; the full name avoids misunderstandings.',
    ),
    subset: text('Name of a subset that a DestinationRule of this host defines. Unset: every endpoint of the service.'),
    port: portSelector,
  },
  ['host'],
);
export type Destination = Value<typeof destination>;

const headerOperations = message('Changes to the headers of one direction.', {
  set: map('Headers to overwrite with the given value.', text('New value.')),
  add: map('Headers to append the given value to; a header is created when absent.', text('Value to append.')),
  remove: list('Names of headers to delete.', text('Header name.')),
});
export type HeaderOperations = Value<typeof headerOperations>;

export const headers = message('Changes to headers, made before a request is forwarded and before a response is returned.', {
  request: headerOperations,
  response: headerOperations,
});
export type Headers = Value<typeof headers>;

export const routeDestination = message(
  'One destination of a TCP or TLS route and its share of the connections.',
  {
    destination,
    weight: integer('Share of the connections, relative to the sum of the weights in the route. A single destination takes all.'),
  },
  ['destination'],
);
/** Destination of a TCP or TLS route. */
export type RouteDestination = Value<typeof routeDestination>;

export const percent = message('A percentage with fractions.', { value: decimal('0.0 to 100.0.', { default: 0 }) }, ['value']);
export type Percent = Value<typeof percent>;
