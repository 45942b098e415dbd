/** The HTML of productpage. Everything from outside is escaped; no script, no font, no picture from elsewhere. */

const style = `
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5b6478; --line: #d9dee8; --card: #fff; --back: #f4f6fa; --accent: #7a2e1d; --red: #c2281d; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebf2; --soft: #a3acbf; --line: #333c4e; --card: #1b2230; --back: #121722; --accent: #f0a58f; --red: #ff7a6b; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; justify-content: space-between; padding: .9rem clamp(1rem, 5vw, 3rem); background: var(--card); border-bottom: 1px solid var(--line); }
header a { color: inherit; font-weight: 650; text-decoration: none; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem clamp(1rem, 5vw, 3rem); }
h1 { margin: 0 0 .5rem; font: 600 clamp(1.7rem, 4vw, 2.5rem)/1.15 Georgia, serif; color: var(--accent); }
h2 { margin: 0 0 .75rem; font-size: 1.05rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1.25rem; margin-top: 1.75rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem 1.4rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .3rem 1rem; margin: 0; }
dt, .by { color: var(--soft); } dd { margin: 0; }
blockquote { margin: 0 0 1.1rem; padding-left: .9rem; border-left: 3px solid var(--line); }
blockquote p { margin: 0; } blockquote footer { color: var(--soft); font-size: .92rem; }
.stars { font-size: 1.15rem; letter-spacing: .1em; } .red { color: var(--red); } .by { margin: .9rem 0 0; font-size: .85rem; }
.error { color: var(--red); }
form { display: flex; gap: .5rem; align-items: center; margin: 0; }
input, button { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line); border-radius: .45rem; padding: .3rem .65rem; }
button { cursor: pointer; } :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

export function productPage({ product, details, reviews, user }) {
  return layout(
    product.title,
    `<h1>${escapeHtml(product.title)}</h1>
<p>${product.descriptionHtml}</p>
<div class="columns">
<section class="card"><h2>Book details</h2>${detailsBlock(details)}</section>
<section class="card"><h2>Book reviews</h2>${reviewsBlock(reviews)}</section>
</div>`,
    accountBlock(user),
  );
}

export function startPage() {
  return layout(
    'Bookinfo',
    `<h1>Bookinfo</h1>
<p>One book, told by four small services: this page asks <b>details</b> and <b>reviews</b>, and reviews asks <b>ratings</b>.</p>
<p><a href="/productpage">Open the product page</a></p>`,
    '',
  );
}

function layout(title, body, account) {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${style}</style></head>
<body><header><a href="/productpage">Bookinfo</a>${account}</header><main>${body}</main></body></html>
`;
}

function accountBlock(user) {
  if (user) return `<span>Signed in as <b id="user">${escapeHtml(user)}</b> · <a href="/logout">Sign out</a></span>`;
  return `<form method="post" action="/login"><label for="username">User</label>
<input id="username" name="username" autocomplete="username" required maxlength="64" size="12"><button>Sign in</button></form>`;
}

function detailsBlock(details) {
  if (details?.error) return errorBlock(details.error);
  const rows = [
    ['Type', details.type],
    ['Pages', details.pages],
    ['Publisher', details.publisher],
    ['Language', details.language],
    ['ISBN-10', details['ISBN-10']],
    ['ISBN-13', details['ISBN-13']],
  ];
  return `<dl>${rows.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join('')}</dl>`;
}

function reviewsBlock(reviews) {
  if (reviews?.error) return errorBlock(reviews.error);
  const quotes = (reviews.reviews ?? []).map(
    ({ text, reviewer, rating }) =>
      `<blockquote><p>${escapeHtml(text)}</p><footer>${escapeHtml(reviewer)}</footer>${ratingBlock(rating)}</blockquote>`,
  );
  const cluster = reviews.clustername ? ` in ${escapeHtml(reviews.clustername)}` : '';
  return `${quotes.join('')}<p class="by">Reviews served by <b id="reviews-by">${escapeHtml(reviews.podname)}</b>${cluster}</p>`;
}

function ratingBlock(rating) {
  if (!rating) return '';
  if (rating.error) return errorBlock(rating.error);
  const full = Math.max(0, Math.min(5, Number(rating.stars) || 0));
  const color = rating.color === 'red' ? ' red' : '';
  return `<span class="stars${color}" role="img" aria-label="${full} of 5 stars">${'★'.repeat(full)}${'☆'.repeat(5 - full)}</span>`;
}

function errorBlock(message) {
  return `<p class="error" role="status">${escapeHtml(message)}</p>`;
}

function escapeHtml(value) {
  const names = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(value ?? '').replace(/[&<>"']/g, (character) => names[character]);
}
