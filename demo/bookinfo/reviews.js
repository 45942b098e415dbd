/**
 * reviews: what readers say. `GET /reviews/{id}`, `GET /health`. Version v1 (SERVICE_VERSION) shows no stars; v2 asks
 * ratings and shows black ones, v3 red ones.
 */
import { clusterName, getJson, podName, sendJson, serve, travellingHeaders } from './service.js';

/** How long each version waits for ratings: v2 is patient, v3 is not. */
const versions = {
  v1: undefined,
  v2: { color: 'black', timeoutMs: 10_000 },
  v3: { color: 'red', timeoutMs: 2_500 },
};
const version = process.env.SERVICE_VERSION || process.env.MESHWRIGHT_VERSION || 'v1';
const stars = versions[version];

const texts = {
  Reviewer1: 'Two pairs of twins, one bad day in Ephesus: the quickest way to laugh with Shakespeare.',
  Reviewer2: 'Light and fast. It has little of the depth of the later plays, and does not miss it.',
};

function review(reviewer, ratings) {
  const plain = { reviewer, text: texts[reviewer] };
  if (!stars) return plain;
  const count = ratings?.[reviewer];
  const rating = typeof count === 'number' ? { stars: count, color: stars.color } : { error: 'Ratings service is currently unavailable' };
  return { ...plain, rating };
}

async function ratingsFor(id, headers) {
  if (!stars) return undefined;
  const { status, body } = await getJson('ratings', `/ratings/${id}`, travellingHeaders(headers), stars.timeoutMs);
  return status === 200 ? body.ratings : undefined;
}

serve(`reviews ${version}`, [
  ['GET', /^\/health$/, ({ response }) => sendJson(response, 200, { status: 'Reviews is healthy' })],
  [
    'GET',
    /^\/reviews\/(\d+)$/,
    async ({ incoming, response, params }) => {
      const ratings = await ratingsFor(params[0], incoming.headers);
      const reviews = Object.keys(texts).map((reviewer) => review(reviewer, ratings));
      sendJson(response, 200, { id: params[0], podname: podName, clustername: clusterName, reviews });
    },
  ],
]);
