import { anything, list, long, message, text, timestamp, type Value } from '../schema.ts';

const condition = message('One observed aspect of an object.', {
  type: text('Which aspect.'),
  status: text('`True`, `False` or `Unknown`.'),
  lastProbeTime: timestamp('When it was last looked at.'),
  lastTransitionTime: timestamp('When `status` last changed.'),
  reason: text('Why, one word.'),
  message: text('Why, for people.'),
  observedGeneration: long('Generation of the object that was looked at.'),
});
export type Condition = Value<typeof condition>;

/** Status that every Istio kind has. */
export const istioStatus = message('What the control plane has observed.', {
  conditions: list('State of the object by aspect.', condition),
  validationMessages: list('Problems found in the object, with code, level and position.', anything('A problem.')),
  observedGeneration: long('Generation of the object that was looked at last.'),
});
export type IstioStatus = Value<typeof istioStatus>;
