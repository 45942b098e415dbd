/** details: facts about a book. `GET /details/{id}`, `GET /health`. */
import { HttpError, sendJson, serve } from './service.js';

function detailsOf(id) {
  return {
    id,
    author: 'William Shakespeare',
    year: 1595,
    type: 'paperback',
    pages: 200,
    publisher: 'PublisherA',
    language: 'English',
    'ISBN-10': '1234567890',
    'ISBN-13': '123-1234567890',
  };
}

serve('details', [
  ['GET', /^\/health$/, ({ response }) => sendJson(response, 200, { status: 'Details is healthy' })],
  [
    'GET',
    /^\/details\/([^/]+)$/,
    ({ response, params }) => {
      if (!/^\d+$/.test(params[0])) throw new HttpError(400, 'please provide a numeric product id');
      sendJson(response, 200, detailsOf(Number(params[0])));
    },
  ],
]);
