import { Type } from 'typebox';
import { checkOrigin } from '../access/guard.ts';
import { ExplainAnswer, ExplainQuestion, ProblemView, ProxyConfigSection, ProxyList, ProxyRow, proxySections } from '../api.ts';
import { isAbout, problemView } from '../state/views.ts';
import type { Api, Context } from './context.ts';
import { refusal } from './refusal.ts';

/** Proxies, what each runs and where it came from; problems; where a request would go. */
export function proxyRoutes(app: Api, { sources, hub }: Context): void {
  const unknown = (id: string) => refusal(404, 'not_found', `No proxy ${id} is connected.`, 'See /api/v1/proxies for those that are.');
  const ById = Type.Object({ id: Type.String() });

  app.get('/proxies', { schema: { summary: 'Connected proxies and their sync state', response: { 200: ProxyList } } }, async () => ({
    seq: hub.seq,
    epoch: sources.mesh.current().epoch,
    items: [...sources.proxies.list()],
  }));

  app.get('/proxies/:id', { schema: { summary: 'One proxy', params: ById, response: { 200: ProxyRow } } }, async ({ params }) => {
    const proxy = sources.proxies.list().find((candidate) => candidate.id === params.id);
    if (!proxy) throw unknown(params.id);
    return proxy;
  });

  const Section = Type.Object({ id: Type.String(), section: Type.Union(proxySections.map((name) => Type.Literal(name))) });
  app.get(
    '/proxies/:id/config/:section',
    { schema: { summary: 'One section of what a proxy was given, with origins', params: Section, response: { 200: ProxyConfigSection } } },
    async ({ params }) => {
      const section = await sources.proxies.config(params.id, params.section);
      if (!section) throw unknown(params.id);
      return section;
    },
  );

  const ProblemQuery = Type.Object({
    kind: Type.Optional(Type.String()),
    namespace: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
  });
  const ProblemList = Type.Object({ items: Type.Array(ProblemView) });
  app.get(
    '/problems',
    { schema: { summary: 'Problems of all objects, or of one', querystring: ProblemQuery, response: { 200: ProblemList } } },
    async ({ query }) => {
      const { kind, namespace = '', name } = query;
      const all = sources.problems.list();
      const about = kind && name ? all.filter((problem) => isAbout(problem, { kind, namespace, name })) : all;
      return { items: about.map(problemView) };
    },
  );

  app.post(
    '/explain',
    { schema: { summary: 'Where this request would go, and why', body: ExplainQuestion, response: { 200: ExplainAnswer } } },
    async (request) => {
      checkOrigin(request);
      const answer = await sources.explain(request.body);
      if (!answer)
        throw refusal(404, 'not_found', `There is no workload ${request.body.from}.`, 'See /api/v1/workloads for those that are.');
      return answer;
    },
  );
}
