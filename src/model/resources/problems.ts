/** What people need to know of one sort of problem; docs, `meshwright explain` and the page read it. */
export interface ProblemEntry {
  readonly severity: 'error' | 'warning' | 'info';
  /** Few words that name the problem. */
  readonly title: string;
  /** Why it is one. */
  readonly cause: string;
  /** What to do about it. */
  readonly fix: string;
  readonly example: string;
}

function table<const T extends Readonly<Record<string, ProblemEntry>>>(entries: T): Readonly<Record<keyof T, ProblemEntry>> {
  return entries;
}

/**
 * Every problem code. A code keeps its meaning for ever and is never given to another problem. `MW01xx` reading, `MW02xx`
 * rules of one object, `MW03xx` what proxies say; `IST0xxx` where the meaning is that of Istio's analysis message.
 */
export const problemTable = table({
  MW0101: {
    severity: 'error',
    title: 'Unreadable YAML',
    cause: 'The text is not valid YAML, so nothing in this document can be read.',
    fix: 'Correct the text at the position given.',
    example: 'a: [1, 2',
  },
  MW0102: {
    severity: 'error',
    title: 'Key written twice',
    cause: 'A map holds the same key twice; which value counts would be a guess.',
    fix: 'Remove one of the two keys, or merge their values.',
    example: 'metadata: {name: a, name: b}',
  },
  MW0103: {
    severity: 'error',
    title: 'Tab as indentation',
    cause: 'YAML allows only spaces for indentation.',
    fix: 'Replace the tab by spaces.',
    example: 'spec:\n\thosts: []',
  },
  MW0104: {
    severity: 'error',
    title: 'Document too large',
    cause: 'The document is too large, too deeply nested, or grows too much through aliases.',
    fix: 'Split the document, or write repeated values out.',
    example: 'a: &a [*b, *b, *b]',
  },
  MW0105: {
    severity: 'error',
    title: 'Not an object',
    cause: 'A document must hold one object with apiVersion, kind and metadata.',
    fix: "Write the object's apiVersion, kind and metadata at the top level.",
    example: '- one\n- two',
  },
  MW0106: {
    severity: 'error',
    title: 'apiVersion or kind missing',
    cause: 'Without both, nobody knows what the object is.',
    fix: 'Add apiVersion and kind.',
    example: 'metadata: {name: reviews}',
  },
  MW0107: {
    severity: 'warning',
    title: 'Unknown kind',
    cause: 'Meshwright does not know this kind or this version of it; the object has no effect.',
    fix: 'Check apiVersion and kind; `kubectl api-resources` lists the kinds served.',
    example: 'apiVersion: networking.istio.io/v1\nkind: VirtualServce',
  },
  MW0108: {
    severity: 'error',
    title: 'Bad name',
    cause: 'Names are lower-case letters, digits, dashes and dots, with a letter or digit at both ends.',
    fix: 'Choose another name.',
    example: 'metadata: {name: My_Route}',
  },
  MW0109: {
    severity: 'error',
    title: 'Bad metadata',
    cause: 'Labels and annotations are maps of texts.',
    fix: 'Put the values in quotes.',
    example: 'labels: {version: 1.0}',
  },
  MW0110: {
    severity: 'error',
    title: 'Unknown field',
    cause: 'The kind has no such field here, so what was meant would silently have no effect.',
    fix: 'Correct the spelling, or remove the field.',
    example: 'spec: {host: [reviews]}',
  },
  MW0111: {
    severity: 'error',
    title: 'Wrong type',
    cause: 'The field expects another type of value.',
    fix: 'Write a value of the type expected.',
    example: 'weight: heavy',
  },
  MW0112: {
    severity: 'error',
    title: 'Required field missing',
    cause: 'The object cannot work without the field.',
    fix: 'Add the field.',
    example: 'destination: {subset: v1}',
  },
  MW0113: {
    severity: 'error',
    title: 'Unknown word',
    cause: 'The field takes one of a closed list of words.',
    fix: 'Use one of the words named.',
    example: 'mode: SIMPEL',
  },
  MW0114: {
    severity: 'error',
    title: 'Out of range',
    cause: 'The value lies outside the range of the field.',
    fix: 'Use a value within the range named.',
    example: 'port: {number: 70000}',
  },
  MW0115: {
    severity: 'error',
    title: 'Bad format',
    cause: 'The text does not have the form that the field expects.',
    fix: 'Write the value in the form named.',
    example: 'timeout: 5',
  },
  MW0116: {
    severity: 'error',
    title: 'Fields exclude each other',
    cause: 'At most one of these fields can take effect.',
    fix: 'Keep one of the fields.',
    example: 'uri: {exact: /a, prefix: /b}',
  },
  MW0117: {
    severity: 'error',
    title: 'Object defined twice',
    cause: 'Two documents define the same object; only the first is used.',
    fix: 'Remove or rename one of the two.',
    example: 'two files with VirtualService default/reviews',
  },
  MW0118: {
    severity: 'error',
    title: 'File cannot be read',
    cause: 'The file exists but cannot be opened or is no text.',
    fix: "Check the file's permissions and content.",
    example: '-rw------- root reviews.yaml',
  },
  MW0201: {
    severity: 'error',
    title: 'Bad host',
    cause: 'The host is neither a DNS name, nor one with `*.` at its start, nor an IP address where one is allowed.',
    fix: 'Write a DNS name such as `reviews.default.svc.cluster.local`.',
    example: "hosts: ['*foo*']",
  },
  MW0202: {
    severity: 'error',
    title: 'Bad port',
    cause: 'Ports are numbers from 1 to 65535; port names are short lower-case names and unique.',
    fix: 'Use a valid port.',
    example: 'port: {number: 0}',
  },
  MW0203: {
    severity: 'error',
    title: 'Bad regular expression',
    cause: 'The expression is not RE2 syntax, or too long.',
    fix: 'Correct the expression; RE2 knows neither look-around nor back-references.',
    example: "regex: '(?=x)'",
  },
  MW0204: {
    severity: 'error',
    title: 'Nothing to do',
    cause: 'The rule or object has no effect: it lacks the part that says what happens.',
    fix: 'Add what is missing, or remove the rule.',
    example: 'http: [{match: []}]',
  },
  MW0205: {
    severity: 'error',
    title: 'Settings contradict each other',
    cause: 'The fields cannot take effect together.',
    fix: 'Keep one of the settings.',
    example: 'route with redirect',
  },
  MW0206: {
    severity: 'error',
    title: 'Bad weight',
    cause: 'Weights are zero or more, and at least one of a route must be above zero.',
    fix: 'Give at least one destination a weight above zero.',
    example: 'weight: 0 on every destination',
  },
  MW0207: {
    severity: 'error',
    title: 'Bad header',
    cause: "The header's name or value cannot be sent, or must not be changed.",
    fix: 'Correct name or value; write `%%` for a percent sign.',
    example: "set: {':path': /x}",
  },
  MW0208: {
    severity: 'error',
    title: 'Bad duration',
    cause: 'The duration is too short, too fine or negative for the field.',
    fix: 'Use at least 1ms, in whole milliseconds.',
    example: 'timeout: 0.5ms',
  },
  MW0209: {
    severity: 'error',
    title: 'Bad export',
    cause: 'exportTo takes namespaces, `.` (own) and `*` (all), each once; `*` stands alone.',
    fix: 'Correct the list.',
    example: "exportTo: ['*', 'default']",
  },
  MW0210: {
    severity: 'error',
    title: 'Duplicate',
    cause: 'The entry stands twice where each may stand once.',
    fix: 'Remove one of the two.',
    example: 'two subsets named v1',
  },
  MW0211: {
    severity: 'error',
    title: 'Bad address',
    cause: 'The address is not of a form that the field takes.',
    fix: 'Write an IP address, CIDR, host name or socket path as named.',
    example: 'address: 1.2.3',
  },
  MW0212: {
    severity: 'error',
    title: 'Bad label or selector',
    cause: "Label names and values follow Kubernetes' rules: short texts of letters, digits, `-`, `_` and `.`.",
    fix: 'Correct the label.',
    example: "labels: {version: 'v 1'}",
  },
  MW0213: {
    severity: 'error',
    title: 'Not supported',
    cause: 'No proxy can do what the field asks.',
    fix: 'Remove the field.',
    example: 'exponentialDelay: 5s',
  },
  MW0214: {
    severity: 'error',
    title: 'Bad percentage',
    cause: 'Percentages lie between 0 and 100.',
    fix: 'Use a value between 0 and 100.',
    example: 'percentage: {value: 120}',
  },
  MW0215: {
    severity: 'error',
    title: 'Bad retry policy',
    cause: 'The retry settings contradict each other or name unknown conditions.',
    fix: 'Correct the policy; `5xx,reset,connect-failure` are conditions.',
    example: 'retryOn: sometimes',
  },
  MW0216: {
    severity: 'error',
    title: 'Bad status code',
    cause: 'HTTP status codes lie between 200 and 599.',
    fix: 'Use a valid status code.',
    example: 'status: 99',
  },
  MW0217: {
    severity: 'error',
    title: 'Bad gateway reference',
    cause: 'Gateways are named `name`, `namespace/name` or `mesh`.',
    fix: 'Correct the name.',
    example: "gateways: ['']",
  },
  MW0218: {
    severity: 'error',
    title: 'Bad name inside the object',
    cause: 'Names of subsets and the like are DNS labels: lower-case letters, digits and dashes.',
    fix: 'Choose another name.',
    example: 'subset: V_1',
  },
  MW0301: {
    severity: 'error',
    title: 'Refused by a proxy',
    cause: 'A proxy has refused the configuration made from this object; it keeps what it had before.',
    fix: "Read the proxy's message; remove or change the setting that it names.",
    example: 'an Envoy without the extension that a setting needs',
  },
  MW0401: {
    severity: 'warning',
    title: 'Not served yet',
    cause: 'The setting is valid, but this version of Meshwright does not put it into effect.',
    fix: 'Use what the message names instead, or wait for a version that serves it.',
    example: 'tls: {mode: SIMPLE, credentialName: my-cert}',
  },
  IST0002: {
    severity: 'warning',
    title: 'Deprecated',
    cause: 'The field or feature is deprecated and will stop working.',
    fix: 'Use what the message names.',
    example: 'mirrorPercent: 10',
  },
  IST0101: {
    severity: 'error',
    title: 'Referenced resource not found',
    cause: 'The object names a host, subset, gateway or port that does not exist.',
    fix: 'Correct the reference, or create what it names.',
    example: 'subset: v9',
  },
  IST0106: {
    severity: 'error',
    title: 'Schema validation error',
    cause: 'The object breaks a rule of its kind.',
    fix: 'Correct the field named.',
    example: 'a VirtualService without hosts and with gateways',
  },
  IST0109: {
    severity: 'error',
    title: 'Two VirtualServices for one host',
    cause: 'Several VirtualServices on the mesh gateway name the same host; only the oldest counts.',
    fix: 'Merge them into one, or use delegates.',
    example: 'two VirtualServices with hosts: [reviews]',
  },
  IST0112: {
    severity: 'error',
    title: 'Port of the destination required',
    cause: 'The service has several ports, and the route does not say which.',
    fix: 'Add destination.port.',
    example: 'destination: {host: multi-port}',
  },
  IST0118: {
    severity: 'info',
    title: 'Port name says no protocol',
    cause: "The port's protocol has to be detected from the traffic, because its name and appProtocol say nothing.",
    fix: 'Name the port `http-...`, `grpc-...` or `tcp-...`, or set appProtocol.',
    example: 'name: web',
  },
  IST0130: {
    severity: 'warning',
    title: 'Rule that can never match',
    cause: 'An earlier rule without conditions, or with the same ones, takes all its requests.',
    fix: 'Reorder or remove the rule.',
    example: 'a rule after one without match',
  },
  IST0131: {
    severity: 'info',
    title: 'Match without effect',
    cause: 'An earlier rule takes the same requests.',
    fix: 'Remove the match.',
    example: 'prefix /a before prefix /a/b',
  },
  IST0133: {
    severity: 'warning',
    title: 'Schema warning',
    cause: 'The object is accepted, but a setting probably does not do what was meant.',
    fix: 'Read the message.',
    example: 'failover without outlierDetection',
  },
  IST0134: {
    severity: 'warning',
    title: 'Addresses required',
    cause: 'Connections to a TCP service without an address can be told apart only by port.',
    fix: 'Add addresses to the ServiceEntry.',
    example: 'protocol: TCP without addresses',
  },
  IST0173: {
    severity: 'error',
    title: 'Subset selects no workload',
    cause: 'No workload of the host carries the labels of the subset.',
    fix: 'Correct the labels of the subset, or label the workloads.',
    example: 'labels: {version: v9}',
  },
  IST0174: {
    severity: 'warning',
    title: 'Host of the DestinationRule unknown',
    cause: 'No service of the registry has this host.',
    fix: 'Correct the host, or create the service.',
    example: 'host: reviws',
  },
});

export type ProblemCode = keyof typeof problemTable;
