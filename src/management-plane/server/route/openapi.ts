import type { FastifySchema, RouteOptions } from 'fastify';
import { IsObject } from 'typebox';
import { ApiError } from '../api.ts';
import type { Api } from './context.ts';

declare module 'fastify' {
  interface FastifySchema {
    /** What the route answers, one line; routes without it stay out of the document. */
    summary?: string;
  }
}

/** Serves the OpenAPI 3.1 document of every route that is added after it, made from the schemas that check requests. */
export function openApiRoute(app: Api, version: string): void {
  const paths: Record<string, Record<string, unknown>> = {};
  app.addHook('onRoute', (route: RouteOptions) => {
    const schema = route.schema ?? {};
    if (!schema.summary) return;
    const path = route.url.replace(/:(\w+)/g, '{$1}');
    for (const method of [route.method].flat()) {
      if (method === 'HEAD') continue;
      const operations = paths[path] ?? {};
      operations[method.toLowerCase()] = operationFor(schema);
      paths[path] = operations;
    }
  });
  app.get('/openapi.json', async () => ({
    openapi: '3.1.0',
    info: { title: 'Meshwright', version, description: 'Reading is free on loopback; writing and tapping need the token.' },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } }, schemas: { ApiError } },
    paths,
  }));
}

function operationFor(schema: FastifySchema): unknown {
  const parameters = [
    ...fieldsOf(schema.params).map(({ name, of }) => ({ name, in: 'path', required: true, schema: of })),
    ...fieldsOf(schema.querystring).map(({ name, required, of }) => ({ name, in: 'query', required, schema: of })),
  ];
  const failure = {
    description: 'What is wrong and what to do',
    content: { 'application/json': { schema: { $ref: '#/components/schemas/ApiError' } } },
  };
  const answers = Object.entries({ ...(schema.response ?? {}) }).map(([code, of]) => [
    code,
    { description: 'Done', content: { 'application/json': { schema: of } } },
  ]);
  return {
    summary: schema.summary,
    ...(parameters.length ? { parameters } : {}),
    ...(schema.body ? { requestBody: { required: true, content: { 'application/json': { schema: schema.body } } } } : {}),
    responses: { ...Object.fromEntries(answers), default: failure },
  };
}

function fieldsOf(schema: unknown): { name: string; required: boolean; of: unknown }[] {
  if (!IsObject(schema)) return [];
  return Object.entries(schema.properties).map(([name, of]) => ({ name, required: [...(schema.required ?? [])].includes(name), of }));
}
