import { defineKind } from '../kind.ts';
import { destinationRuleSchema } from './destination-rule.ts';
import { validateDestinationRule } from './destination-rule-rules.ts';
import { istioStatus } from './status.ts';

export const destinationRuleKind = defineKind({
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  kind: 'DestinationRule',
  plural: 'destinationrules',
  singular: 'destinationrule',
  shortNames: ['dr'],
  categories: ['istio-io', 'networking-istio-io'],
  namespaced: true,
  hasStatus: true,
  body: 'spec',
  description:
    'Settings for traffic to a host after routing: load balancing, connection limits, outlier detection, TLS, and the subsets that routes name.',
  printerColumns: [
    { name: 'Host', type: 'string', jsonPath: '.spec.host', description: 'Host to which the settings apply', priority: 0 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since the object was created', priority: 0 },
  ],
  schema: destinationRuleSchema,
  statusSchema: istioStatus,
  validate: validateDestinationRule,
});
