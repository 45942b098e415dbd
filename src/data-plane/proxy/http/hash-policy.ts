import { lowerBytes } from '#http/ascii.ts';
import { hashText } from '../lb/hash.ts';
import type { HashRule } from '../table.ts';
import type { Exchange } from './exchange.ts';
import { cookieValue, queryValue, requestField } from './request-view.ts';

/** The key of a request for consistent hashing; undefined when no rule found anything. Rules combine in order. */
export function hashOf(rules: readonly HashRule[], exchange: Exchange): number | undefined {
  let hash: number | undefined;
  for (const rule of rules) {
    const text = textOf(rule, exchange);
    if (text !== undefined) {
      const own = hashText(text);
      hash = hash === undefined ? own : (((hash << 1) | (hash >>> 31)) ^ own) >>> 0;
    }
    if (rule.terminal && hash !== undefined) return hash;
  }
  return hash;
}

function textOf(rule: HashRule, exchange: Exchange): string | undefined {
  switch (rule.kind) {
    case 'header':
      return requestField(exchange, rule.name, lowerBytes(rule.name));
    case 'query':
      return queryValue(exchange, rule.name);
    case 'source':
      return exchange.connection?.facts.remoteAddress;
    case 'cookie': {
      const known = cookieValue(exchange, rule.name);
      if (known !== undefined || rule.ttlSeconds === undefined) return known;
      return issueCookie(rule, exchange);
    }
  }
}

/** A client without the cookie gets one that leads back to the endpoint it meets now. */
function issueCookie(rule: HashRule & { kind: 'cookie' }, exchange: Exchange): string {
  const facts = exchange.connection?.facts;
  const value = hashText(`${facts?.remote}|${facts?.local}|${exchange.startedAtWall}`).toString(16).padStart(8, '0');
  const parts = [`${rule.name}="${value}"`];
  if (rule.ttlSeconds !== undefined && rule.ttlSeconds > 0) parts.push(`Max-Age=${rule.ttlSeconds}`);
  if (rule.path !== '') parts.push(`Path=${rule.path}`);
  exchange.cookie = [...parts, ...rule.attributes, 'HttpOnly'].join('; ');
  return value;
}
