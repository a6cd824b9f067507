// subscribe.js - what the next stream is going to be: its route, its subjects, where it starts
// SPDX-License-Identifier: MIT
import { $, button, put } from './dom.js';
import { fillPath, fillSubject } from './gateway.js';
import { buildParameters, fillSelect } from './parameters.js';

const DEV_SUBJECTS = [
  ['demo.clock', false],
  ['demo.ticker.*', false],
  ['demo.>', true],
];
const SINCE = [
  ['now', 'now'],
  ['earliest', 'the earliest that is kept'],
  ['1m', '1 minute ago'],
  ['5m', '5 minutes ago'],
  ['1h', '1 hour ago'],
  ['last', 'the last of each subject'], // of a JetStream history only
];

let dev = false;
let routes = [];
let route = null;
let readParameters = () => ({});
let changed = () => {};
const subjectsOf = new Map(); // by route: its chips, subject and whether it is chosen

export function query(subjects) {
  return subjects.map((subject) => `subject=${encodeURIComponent(subject)}`).join('&');
}

const takesChoice = () => route.allow.length > 0;
const picked = () => [...subjectsOf.get(route)].filter(([, on]) => on).map(([subject]) => subject);

// The subjects of the next stream, as far as they are known.
export function chosen() {
  if (!route) return [];
  return takesChoice() ? picked() : route.subjects.map((subject) => fillSubject(subject, readParameters() ?? {}));
}

function sinceOf() {
  const since = $('since').value;
  return route.store === 'none' || since === 'now' ? [] : [`since=${since}`];
}

// A stream for openStream; null: something is still missing.
export function wanted() {
  const values = route && readParameters();
  const subjects = chosen();
  if (!values || subjects.length === 0) return null;
  const token = route.auth ? $('route-token').value.trim() : '';
  const pairs = [...(takesChoice() ? [query(subjects)] : []), ...sinceOf()];
  return {
    route: route.path,
    url: `${fillPath(route.path, values)}${pairs.length ? '?' : ''}${pairs.join('&')}`,
    subjects,
    format: route.format,
    named: route.event !== 'none',
    headers: token ? { authorization: `Bearer ${token}` } : {},
  };
}

function showChips() {
  const subjects = subjectsOf.get(route);
  const chips = [...subjects].map(([subject, on]) => {
    const chip = button(subject, '');
    chip.setAttribute('aria-pressed', on);
    chip.onclick = () => {
      subjects.set(subject, !subjects.get(subject));
      chip.setAttribute('aria-pressed', subjects.get(subject));
      changed();
    };
    return chip;
  });
  $('chips').replaceChildren(...chips);
}

function showRoute() {
  const fixed = takesChoice() ? '' : `It carries ${route.subjects.join(', ')}.`;
  readParameters = buildParameters($('parameters'), route.path, changed);
  $('subject').placeholder = dev ? 'demo.orders.*' : (route.allow[0] ?? '');
  $('chips').hidden = $('subject-form').hidden = !takesChoice();
  put($('fixed'), 'textContent', fixed);
  $('fixed').hidden = !fixed;
  $('route-token-box').hidden = !route.auth;
  $('since-box').hidden = route.store === 'none';
  const open = SINCE.filter(([value]) => value !== 'last' || route.store === 'jetstream');
  $('since').replaceChildren(...open.map(([value, text]) => new Option(text, value)));
  showChips();
  changed();
}

export function buildSubscribe(info, onChange) {
  changed = onChange;
  dev = info.dev;
  routes = info.routes.filter(({ publish }) => !publish);
  for (const one of routes) {
    const known = dev && one.allow.length > 0 ? DEV_SUBJECTS : one.allow.map((pattern, i) => [pattern, i === 0]);
    subjectsOf.set(one, new Map(known));
  }
  $('subscribe-absent').hidden = routes.length > 0;
  $('subscribe-form').hidden = routes.length === 0;
  if (routes.length === 0) return;
  fillSelect(
    $('route'),
    routes.map(({ path }) => path),
  );
  // the events of this one name their subjects, which a wildcard doesn't tell
  $('route').selectedIndex = Math.max(
    0,
    routes.findIndex(({ format }) => format === 'cloudevents'),
  );
  $('route').onchange = () => {
    route = routes[$('route').selectedIndex];
    showRoute();
  };
  $('since').onchange = changed;
  $('subject-form').onsubmit = (event) => {
    event.preventDefault();
    const subject = $('subject').value.trim();
    if (!subject) return;
    subjectsOf.get(route).set(subject, true);
    $('subject').value = '';
    showChips();
    changed();
  };
  $('route').onchange();
}
