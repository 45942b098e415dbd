/**
 * The messages that typed Kubernetes clients (among them kubectl's `create`) post in protobuf: field numbers and names
 * of Kubernetes' API, core/v1, apps/v1, meta/v1, authorization/v1.
 */
export type FieldType =
  | 'text'
  | 'bytes'
  | 'int'
  | 'bool'
  | 'time'
  | 'quantity'
  | 'int-or-text'
  | { readonly message: string }
  | { readonly map: 'text' | 'bytes' | 'quantity' };

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly repeated?: boolean;
  /** A pointer in Kubernetes' types: zero means something else than absence. */
  readonly keepZero?: boolean;
}

type MessageSchema = Readonly<Record<number, Field>>;

const text = (name: string): Field => ({ name, type: 'text' });
const int = (name: string): Field => ({ name, type: 'int' });
const pointer = (name: string): Field => ({ name, type: 'int', keepZero: true });
const bool = (name: string): Field => ({ name, type: 'bool' });
const optionalBool = (name: string): Field => ({ name, type: 'bool', keepZero: true });
const texts = (name: string): Field => ({ name, type: 'text', repeated: true });
const one = (name: string, message: string): Field => ({ name, type: { message } });
const many = (name: string, message: string): Field => ({ name, type: { message }, repeated: true });
const map = (name: string, values: 'text' | 'bytes' | 'quantity' = 'text'): Field => ({ name, type: { map: values } });
const intOrText = (name: string): Field => ({ name, type: 'int-or-text' });

const metadata = one('metadata', 'ObjectMeta');

export const messages: Readonly<Record<string, MessageSchema>> = {
  ObjectMeta: {
    1: text('name'),
    2: text('generateName'),
    3: text('namespace'),
    4: text('selfLink'),
    5: text('uid'),
    6: text('resourceVersion'),
    7: int('generation'),
    8: { name: 'creationTimestamp', type: 'time' },
    9: { name: 'deletionTimestamp', type: 'time' },
    10: pointer('deletionGracePeriodSeconds'),
    11: map('labels'),
    12: map('annotations'),
    13: many('ownerReferences', 'OwnerReference'),
    14: texts('finalizers'),
  },
  OwnerReference: {
    1: text('kind'),
    3: text('name'),
    4: text('uid'),
    5: text('apiVersion'),
    6: optionalBool('controller'),
    7: optionalBool('blockOwnerDeletion'),
  },
  Namespace: { 1: metadata, 2: one('spec', 'NamespaceSpec'), 3: one('status', 'NamespaceStatus') },
  NamespaceSpec: { 1: texts('finalizers') },
  NamespaceStatus: { 1: text('phase') },
  ConfigMap: { 1: metadata, 2: map('data'), 3: map('binaryData', 'bytes'), 4: optionalBool('immutable') },
  Secret: { 1: metadata, 2: map('data', 'bytes'), 3: text('type'), 4: map('stringData'), 5: optionalBool('immutable') },
  ServiceAccount: {
    1: metadata,
    2: many('secrets', 'ObjectReference'),
    3: many('imagePullSecrets', 'LocalObjectReference'),
    4: optionalBool('automountServiceAccountToken'),
  },
  ObjectReference: {
    1: text('kind'),
    2: text('namespace'),
    3: text('name'),
    4: text('uid'),
    5: text('apiVersion'),
    6: text('resourceVersion'),
    7: text('fieldPath'),
  },
  LocalObjectReference: { 1: text('name') },
  Service: { 1: metadata, 2: one('spec', 'ServiceSpec'), 3: one('status', 'ServiceStatus') },
  ServiceSpec: {
    1: many('ports', 'ServicePort'),
    2: map('selector'),
    3: text('clusterIP'),
    4: text('type'),
    5: texts('externalIPs'),
    7: text('sessionAffinity'),
    8: text('loadBalancerIP'),
    9: texts('loadBalancerSourceRanges'),
    10: text('externalName'),
    11: text('externalTrafficPolicy'),
    12: int('healthCheckNodePort'),
    13: bool('publishNotReadyAddresses'),
    17: text('ipFamilyPolicy'),
    18: texts('clusterIPs'),
    19: texts('ipFamilies'),
    20: optionalBool('allocateLoadBalancerNodePorts'),
    21: text('loadBalancerClass'),
    22: text('internalTrafficPolicy'),
    23: text('trafficDistribution'),
  },
  ServicePort: {
    1: text('name'),
    2: text('protocol'),
    3: int('port'),
    4: intOrText('targetPort'),
    5: int('nodePort'),
    6: text('appProtocol'),
  },
  ServiceStatus: { 1: one('loadBalancer', 'Empty') },
  Deployment: { 1: metadata, 2: one('spec', 'DeploymentSpec'), 3: one('status', 'Empty') },
  DeploymentSpec: {
    1: pointer('replicas'),
    2: one('selector', 'LabelSelector'),
    3: one('template', 'PodTemplateSpec'),
    4: one('strategy', 'DeploymentStrategy'),
    5: int('minReadySeconds'),
    6: pointer('revisionHistoryLimit'),
    7: bool('paused'),
    9: pointer('progressDeadlineSeconds'),
  },
  DeploymentStrategy: { 1: text('type'), 2: one('rollingUpdate', 'RollingUpdate') },
  RollingUpdate: { 1: intOrText('maxUnavailable'), 2: intOrText('maxSurge') },
  LabelSelector: { 1: map('matchLabels'), 2: many('matchExpressions', 'LabelRequirement') },
  LabelRequirement: { 1: text('key'), 2: text('operator'), 3: texts('values') },
  PodTemplateSpec: { 1: metadata, 2: one('spec', 'PodSpec') },
  PodSpec: {
    2: many('containers', 'Container'),
    3: text('restartPolicy'),
    4: pointer('terminationGracePeriodSeconds'),
    6: text('dnsPolicy'),
    7: map('nodeSelector'),
    8: text('serviceAccountName'),
    9: text('serviceAccount'),
    10: text('nodeName'),
    11: bool('hostNetwork'),
    12: bool('hostPID'),
    13: bool('hostIPC'),
    15: many('imagePullSecrets', 'LocalObjectReference'),
    16: text('hostname'),
    17: text('subdomain'),
    24: text('priorityClassName'),
    19: text('schedulerName'),
    20: many('initContainers', 'Container'),
  },
  Container: {
    1: text('name'),
    2: text('image'),
    3: texts('command'),
    4: texts('args'),
    5: text('workingDir'),
    6: many('ports', 'ContainerPort'),
    7: many('env', 'EnvVar'),
    8: one('resources', 'Resources'),
    13: text('terminationMessagePath'),
    14: text('imagePullPolicy'),
    16: bool('stdin'),
    17: bool('stdinOnce'),
    18: bool('tty'),
    20: text('terminationMessagePolicy'),
  },
  ContainerPort: { 1: text('name'), 2: int('hostPort'), 3: int('containerPort'), 4: text('protocol'), 5: text('hostIP') },
  EnvVar: { 1: text('name'), 2: text('value') },
  Resources: { 1: map('limits', 'quantity'), 2: map('requests', 'quantity') },
  SelfSubjectAccessReview: { 1: metadata, 2: one('spec', 'AccessReviewSpec'), 3: one('status', 'AccessReviewStatus') },
  SelfSubjectRulesReview: { 1: metadata, 2: one('spec', 'RulesReviewSpec'), 3: one('status', 'RulesReviewStatus') },
  RulesReviewSpec: { 1: text('namespace') },
  // Only answers carry rules.
  RulesReviewStatus: { 3: bool('incomplete'), 4: text('evaluationError') },
  AccessReviewSpec: { 1: one('resourceAttributes', 'ResourceAttributes'), 2: one('nonResourceAttributes', 'NonResourceAttributes') },
  AccessReviewStatus: { 1: bool('allowed'), 2: text('reason'), 3: text('evaluationError'), 4: bool('denied') },
  ResourceAttributes: {
    1: text('namespace'),
    2: text('verb'),
    3: text('group'),
    4: text('version'),
    5: text('resource'),
    6: text('subresource'),
    7: text('name'),
  },
  NonResourceAttributes: { 1: text('path'), 2: text('verb') },
  SelfSubjectReview: { 1: metadata, 2: one('status', 'SelfSubjectReviewStatus') },
  SelfSubjectReviewStatus: { 1: one('userInfo', 'UserInfo') },
  UserInfo: { 1: text('username'), 2: text('uid'), 3: texts('groups') },
  DeleteOptions: {
    1: pointer('gracePeriodSeconds'),
    2: one('preconditions', 'Preconditions'),
    3: optionalBool('orphanDependents'),
    4: text('propagationPolicy'),
    5: texts('dryRun'),
  },
  Preconditions: { 1: text('uid'), 2: text('resourceVersion') },
  Empty: {},
};
