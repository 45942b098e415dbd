/**
 * productpage: where the browser enters. `GET /productpage` (HTML), `/api/v1/products`, `/api/v1/products/{id}` and its
 * `/reviews` and `/ratings` (JSON), `POST /login`, `GET /logout`, `GET /health`.
 */
import { productPage, startPage } from './page.js';
import { getJson, HttpError, readBody, send, sendJson, serve, travellingHeaders } from './service.js';

const products = [
  {
    id: 0,
    title: 'The Comedy of Errors',
    descriptionHtml:
      'Two sets of identical twins, parted as children by a storm, are in the same town without knowing it. Within one day there are a wrong husband, ' +
      'a wrong arrest and a gold chain on the wrong neck. It is among <b>Shakespeare’s</b> earliest plays, and his shortest.',
  },
];
const callTimeoutMs = 3_000;
/** Reviews are asked twice before the page gives up: together less patient than reviews v2 is with ratings. */
const reviewTries = 2;

function productOf(text) {
  const product = products.find(({ id }) => String(id) === text);
  if (!product) throw new HttpError(404, `there is no product ${text}`);
  return product;
}

function userOf(incoming) {
  const found = /(?:^|;\s*)session=([^;]*)/.exec(incoming.headers.cookie ?? '');
  try {
    return found ? decodeURIComponent(found[1]) : '';
  } catch {
    return '';
  }
}

/** A signed-in user travels as `end-user`; a caller may not claim one by a header of its own. */
function onwardHeaders(incoming) {
  const { 'end-user': _claimed, ...headers } = travellingHeaders(incoming.headers);
  const user = userOf(incoming);
  return user ? { ...headers, 'end-user': user } : headers;
}

async function ask(service, path, incoming, tries = 1) {
  const what = service === 'details' ? 'product details' : `product ${service}`;
  let answer = { status: 0, body: '' };
  for (let n = 0; n < tries && answer.status !== 200; n++) answer = await getJson(service, path, onwardHeaders(incoming), callTimeoutMs);
  if (answer.status === 200) return answer;
  return { status: answer.status || 500, body: { error: `Sorry, ${what} are currently unavailable for this book.` } };
}

const detailsOf = (id, incoming) => ask('details', `/details/${id}`, incoming);
const reviewsOf = (id, incoming) => ask('reviews', `/reviews/${id}`, incoming, reviewTries);
const ratingsOf = (id, incoming) => ask('ratings', `/ratings/${id}`, incoming);

async function showProduct({ incoming, response }) {
  const [product] = products;
  const [details, reviews] = await Promise.all([detailsOf(product.id, incoming), reviewsOf(product.id, incoming)]);
  const html = productPage({ product, details: details.body, reviews: reviews.body, user: userOf(incoming) });
  // An unavailable part is said on the page; the page itself is there.
  send(response, 200, 'text/html; charset=utf-8', html, { 'cache-control': 'no-store' });
}

async function logIn({ incoming, response }) {
  const form = new URLSearchParams(await readBody(incoming));
  const name = (form.get('username') ?? '').trim();
  // The name becomes a header field: RFC 9110 5.5 allows visible characters and inner spaces.
  if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/.test(name)) throw new HttpError(400, 'a user name has 1 to 64 plain characters');
  const cookie = `session=${encodeURIComponent(name)}; Path=/; HttpOnly; SameSite=Lax`;
  response.writeHead(303, { location: backTo(incoming), 'set-cookie': cookie, 'content-length': 0 }).end();
}

function logOut({ incoming, response }) {
  const cookie = 'session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0';
  response.writeHead(303, { location: backTo(incoming), 'set-cookie': cookie, 'content-length': 0 }).end();
}

/** Only our own page, whatever the referrer says. */
function backTo(incoming) {
  return URL.canParse(incoming.headers.referer ?? '') ? new URL(incoming.headers.referer).pathname.replace(/^\/+/, '/') : '/productpage';
}

async function passOn(found, response) {
  const { status, body } = await found;
  sendJson(response, status, body);
}

serve('productpage', [
  ['GET', /^\/(?:index\.html)?$/, ({ response }) => send(response, 200, 'text/html; charset=utf-8', startPage())],
  ['GET', /^\/health$/, ({ response }) => send(response, 200, 'text/plain', 'Product page is healthy\n')],
  ['GET', /^\/productpage$/, showProduct],
  ['POST', /^\/login$/, logIn],
  ['GET', /^\/logout$/, logOut],
  ['GET', /^\/api\/v1\/products$/, ({ response }) => sendJson(response, 200, products)],
  [
    'GET',
    /^\/api\/v1\/products\/(\d+)$/,
    ({ incoming, response, params }) => passOn(detailsOf(productOf(params[0]).id, incoming), response),
  ],
  [
    'GET',
    /^\/api\/v1\/products\/(\d+)\/reviews$/,
    ({ incoming, response, params }) => passOn(reviewsOf(productOf(params[0]).id, incoming), response),
  ],
  [
    'GET',
    /^\/api\/v1\/products\/(\d+)\/ratings$/,
    ({ incoming, response, params }) => passOn(ratingsOf(productOf(params[0]).id, incoming), response),
  ],
]);
