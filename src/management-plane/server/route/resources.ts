import { Type } from 'typebox';
import { requireWriter } from '../access/guard.ts';
import { type Change, KindList, ResourceList, type ResourceRow, ResourceView, WatermarkView, WriteAnswer, WriteRequest } from '../api.ts';
import { parseObjects, statusYaml, toYaml } from '../object-text.ts';
import type { KindInfo, KubeObject, ObjectKey } from '../sources.ts';
import { isAbout, problemView, refOf } from '../state/views.ts';
import type { Api, Context } from './context.ts';
import { refusal } from './refusal.ts';
import { summaryOf } from './summary.ts';
import { refused, writeAnswer, writeOne } from './writing.ts';

const Path = Type.Object({
  kind: Type.String({ description: 'Kind, plural or short name' }),
  namespace: Type.String({ description: '"-" for cluster-scoped kinds' }),
  name: Type.String(),
});

/** Objects: list, read, check, write, delete, and how far a write has come. */
export function resourceRoutes(app: Api, context: Context): void {
  const { sources, sessions, hub, state } = context;
  const { resources } = sources;

  const kindOf = (named: string): KindInfo => {
    const wanted = named.toLowerCase();
    const found = resources.kinds().find((kind) => [kind.kind.toLowerCase(), kind.plural, ...kind.shortNames].includes(wanted));
    if (found) return found;
    const known = resources.kinds().map((kind) => kind.kind);
    throw refusal(404, 'unknown_kind', `There is no kind ${named} here.`, `Known kinds: ${known.join(', ')}.`);
  };
  const keyOf = (params: { kind: string; namespace: string; name: string }): ObjectKey => {
    const kind = kindOf(params.kind);
    return { kind: kind.kind, namespace: kind.namespaced ? params.namespace : '', name: params.name };
  };
  const read = async (key: ObjectKey): Promise<KubeObject> => {
    const object = await resources.get(key);
    if (object) return object;
    throw refusal(
      404,
      'not_found',
      `${key.kind} ${key.namespace}/${key.name} does not exist.`,
      'Look at the list: it may have been deleted.',
    );
  };

  app.get('/kinds', { schema: { summary: 'Kinds that can be listed', response: { 200: KindList } } }, async () => ({
    items: resources.kinds().map(({ kind, apiVersion, plural, namespaced, shortNames }) => ({
      kind,
      apiVersion,
      plural,
      namespaced,
      shortNames: [...shortNames],
    })),
  }));

  const ListQuery = Type.Object({
    namespace: Type.Optional(Type.String()),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 500 }),
    continueToken: Type.Optional(Type.String()),
  });
  app.get(
    '/resources/:kind',
    {
      schema: {
        summary: 'One page of objects of a kind',
        params: Type.Object({ kind: Type.String() }),
        querystring: ListQuery,
        response: { 200: ResourceList },
      },
    },
    async ({ params, query }) => {
      const kind = kindOf(params.kind);
      const seq = hub.seq;
      const page = await resources.list(kind.kind, query);
      const problems = sources.problems.list();
      const items = page.items.map((object): ResourceRow => {
        const ref = refOf(object);
        const about = problems.filter((problem) => isAbout(problem, ref));
        return {
          ref,
          apiVersion: object.apiVersion,
          createdAt: object.metadata.creationTimestamp ?? '',
          generation: object.metadata.generation ?? 0,
          summary: summaryOf(object),
          errors: about.filter((problem) => problem.severity === 'error').length,
          warnings: about.filter((problem) => problem.severity === 'warning').length,
        };
      });
      return { seq, items, ...(page.continueToken ? { continueToken: page.continueToken } : {}) };
    },
  );

  app.get(
    '/resources/:kind/:namespace/:name',
    { schema: { summary: 'One object as YAML, with its problems', params: Path, response: { 200: ResourceView } } },
    async ({ params }) => {
      const object = await read(keyOf(params));
      const ref = refOf(object);
      return {
        ref,
        apiVersion: object.apiVersion,
        resourceVersion: object.metadata.resourceVersion ?? '',
        generation: object.metadata.generation ?? 0,
        createdAt: object.metadata.creationTimestamp ?? '',
        yaml: toYaml(object),
        status: statusYaml(object),
        problems: sources.problems
          .list()
          .filter((problem) => isAbout(problem, ref))
          .map(problemView),
      };
    },
  );

  app.get(
    '/resources/:kind/:namespace/:name/yaml',
    { schema: { summary: 'One object as plain YAML text', params: Path } },
    async ({ params }, reply) => {
      const object = await read(keyOf(params));
      return reply.type('application/yaml; charset=utf-8').send(toYaml(object));
    },
  );

  app.post(
    '/resources',
    {
      schema: {
        summary: 'Creates or replaces objects, or says what that would change',
        body: WriteRequest,
        response: { 200: WriteAnswer },
      },
    },
    async (request) => {
      requireWriter(request, sessions);
      const { yaml, dryRun, fieldValidation = 'Strict', resourceVersion, generation } = request.body;
      const { objects, problems } = parseObjects(yaml);
      if (problems.length) throw refusal(422, 'unreadable', problems[0]?.message ?? '', problems[0]?.fix ?? '', problems);
      if ((resourceVersion || generation) && objects.length > 1) {
        throw refusal(
          400,
          'bad_request',
          'resourceVersion and generation go with one document only.',
          'Leave it out, or send the documents one by one.',
        );
      }
      // All are checked before the first is written, so that a mistake in the last leaves the first alone.
      if (!dryRun && objects.length > 1) {
        for (const { object, document } of objects) await writeOne(resources, object, { dryRun: true, fieldValidation }, document);
      }
      const changes: Change[] = [];
      const warnings: string[] = [];
      for (const { object, document } of objects) {
        const options = { dryRun, fieldValidation, ...(resourceVersion ? { resourceVersion } : {}), ...(generation ? { generation } : {}) };
        const written = await writeOne(resources, object, options, document);
        changes.push(written.change);
        warnings.push(...written.warnings);
      }
      return writeAnswer(dryRun, changes, warnings);
    },
  );

  const DeleteQuery = Type.Object({ dryRun: Type.Boolean({ default: false }) });
  app.delete(
    '/resources/:kind/:namespace/:name',
    { schema: { summary: 'Deletes one object', params: Path, querystring: DeleteQuery, response: { 200: WriteAnswer } } },
    async (request) => {
      requireWriter(request, sessions);
      const key = keyOf(request.params);
      const { dryRun } = request.query;
      const before = await read(key);
      const outcome = await resources.remove(key, { dryRun });
      if (!outcome.ok) throw refused(outcome, key);
      const { resourceVersion = '', generation = 0 } = before.metadata;
      return writeAnswer(
        dryRun,
        [{ ref: key, action: 'delete', before: toYaml(before), after: '', resourceVersion, generation }],
        outcome.warnings,
      );
    },
  );

  const WatermarkQuery = Type.Object({ generation: Type.Integer({ minimum: 0 }) });
  app.get(
    '/watermark/:kind/:namespace/:name',
    {
      schema: {
        summary: 'How many proxies run this generation of an object',
        params: Path,
        querystring: WatermarkQuery,
        response: { 200: WatermarkView },
      },
    },
    async ({ params, query }) => {
      const epoch = state.epochs.epochOf(keyOf(params), query.generation);
      if (epoch === undefined) return { epoch: null, live: 0, total: sources.proxies.list().length, rejected: [], waiting: [] };
      const { live, total, rejected, waiting } = sources.proxies.watermark(epoch);
      return { epoch, live, total, rejected: rejected.slice(0, 20), waiting: waiting.slice(0, 20) };
    },
  );
}
