// gateway.js - requests to the gateway that serves this page, with the admin token where one is wanted
// SPDX-License-Identifier: MIT

// Never part of a URL, and gone with the tab: it goes along as a header, and leaves authorization to the routes.
const KEPT_AS = 'freshet-admin-token';

export function token() {
  return sessionStorage.getItem(KEPT_AS) ?? '';
}

export function keepToken(text) {
  if (text) sessionStorage.setItem(KEPT_AS, text);
  else sessionStorage.removeItem(KEPT_AS);
}

// Of each request; empty where nobody has asked for a token.
export function tokenHeaders() {
  return token() ? { 'freshet-admin-token': token() } : {};
}

export function ask(path, options = {}) {
  return fetch(path, { cache: 'no-store', ...options, headers: { ...options.headers, ...tokenHeaders() } });
}

// What a problem+json answer says, in its most telling words.
export async function problemOf(answer) {
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? problem.title ?? `the gateway answered ${answer.status}`;
}

// NATS: '*' stands for one token, a last '>' for one or more.
export function matches(pattern, subject) {
  const want = pattern.split('.');
  const have = subject.split('.');
  for (let i = 0; i < want.length; i++) {
    if (want[i] === '>') return have.length > i;
    if (i >= have.length || (want[i] !== '*' && want[i] !== have[i])) return false;
  }
  return want.length === have.length;
}

// A route's path is a template: "/orders/{id}" and { id: "7" } are "/orders/7".
const PARAMETER = /\{([^}]+)\}/g;
export const parametersOf = (path) => [...path.matchAll(PARAMETER)].map(([, name]) => name);
export const fillPath = (path, values) => path.replace(PARAMETER, (_, name) => encodeURIComponent(values[name] ?? ''));
export const fillSubject = (subject, values) => subject.replace(PARAMETER, (whole, name) => values[name] || whole);
