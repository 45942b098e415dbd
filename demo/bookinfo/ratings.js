/** ratings: stars by reviewer. `GET /ratings/{id}`, `POST /ratings/{id}` replaces them (in memory), `GET /health`. */
import { HttpError, readBody, sendJson, serve } from './service.js';

const initial = { Reviewer1: 5, Reviewer2: 4 };
const mostProducts = 1000;
const changed = new Map();

function productId(text) {
  if (!/^\d+$/.test(text)) throw new HttpError(400, 'please provide a numeric product id');
  return Number(text);
}

function decodeRatings(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HttpError(400, 'please provide valid ratings JSON');
  }
  const stars = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.values(value) : [];
  if (stars.length === 0 || !stars.every((n) => Number.isInteger(n) && n >= 1 && n <= 5)) {
    throw new HttpError(400, 'ratings are an object from reviewer to a whole number of stars, 1 to 5');
  }
  return value;
}

serve('ratings', [
  ['GET', /^\/health$/, ({ response }) => sendJson(response, 200, { status: 'Ratings is healthy' })],
  [
    'GET',
    /^\/ratings\/([^/]+)$/,
    ({ response, params }) => {
      const id = productId(params[0]);
      sendJson(response, 200, { id, ratings: changed.get(id) ?? initial });
    },
  ],
  [
    'POST',
    /^\/ratings\/([^/]+)$/,
    async ({ incoming, response, params }) => {
      const id = productId(params[0]);
      const ratings = decodeRatings(await readBody(incoming));
      if (changed.size >= mostProducts && !changed.has(id)) throw new HttpError(507, 'too many products have ratings of their own');
      changed.set(id, ratings);
      sendJson(response, 200, { id, ratings });
    },
  ],
]);
