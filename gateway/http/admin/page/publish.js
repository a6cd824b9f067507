// publish.js - sends messages: in development anywhere below demo., else to the routes that take them
// SPDX-License-Identifier: MIT
import { $, number, put } from './dom.js';
import { ask, fillPath, fillSubject, matches, problemOf } from './gateway.js';
import { buildParameters, fillSelect } from './parameters.js';
import { OWN, PLACES, inUse } from './streams.js';

let dev = false;
let routes = [];
let readParameters = () => ({});

const route = () => routes[$('publish-route').selectedIndex];
const takesSubject = () => dev || route().allow.length > 0;

// Where a message to that subject goes, in --dev.
export const demoUrl = (subject) => `/publish/${encodeURIComponent(subject)}`;

// { url, subject }; null: something is still missing.
export function publishTarget() {
  const subject = $('publish-subject').value.trim();
  if (dev) return subject ? { url: demoUrl(subject), subject } : null;
  const values = routes.length > 0 && readParameters();
  if (!values || (takesSubject() && !subject)) return null;
  const url = fillPath(route().path, values);
  if (takesSubject()) return { url: `${url}?subject=${encodeURIComponent(subject)}`, subject };
  return { url, subject: fillSubject(route().subjects[0], values) };
}

// What the route wants to know of who publishes.
function authorization() {
  const token = !dev && route().auth ? $('publish-token').value.trim() : '';
  return token ? { authorization: `Bearer ${token}` } : {};
}

export async function post(url, payload) {
  const headers = { 'content-type': 'text/plain; charset=utf-8', ...authorization() };
  const answer = await ask(url, { method: 'POST', headers, body: payload });
  if (!answer.ok) throw new Error(await problemOf(answer));
}

function said(text) {
  put($('publish-status'), 'textContent', text);
}

function verdict(times, ms, subject) {
  const heard = inUse().some((stream) => stream.subjects.some((pattern) => matches(pattern, subject)));
  const silent = heard ? '' : ' No stream open here listens to that subject.';
  if (times === 1) return `Accepted in ${ms.toFixed(0)} ms.${silent}`;
  return `${number.format(times)} accepted in ${(ms / 1000).toFixed(1)} s.${silent}`;
}

async function publish(times) {
  const target = publishTarget();
  const payload = $('payload').value;
  if (!$('publish-form').reportValidity() || !target) return;
  const began = performance.now();
  let sent = 0;
  const worker = async () => {
    while (sent < times) {
      const turn = ++sent;
      await post(target.url, times === 1 ? payload : `${payload} ${turn}`);
    }
  };
  $('burst').disabled = true;
  if (times > 1) said(`Publishing ${number.format(times)} messages.`);
  try {
    // requests share the connection with the streams: no more at once than there are places left
    const lanes = Math.min(times, 16, PLACES + 1 - OWN - inUse().length);
    await Promise.all(Array.from({ length: Math.max(lanes, 1) }, worker));
    said(verdict(times, performance.now() - began, target.subject));
  } catch (error) {
    sent = times; // the other lanes stop too
    // what fetch throws for a broken connection, browsers put into words of their own
    said(`Not published: ${error instanceof TypeError ? 'the connection broke' : error.message}`);
  } finally {
    $('burst').disabled = false;
  }
}

function showRoute(onChange) {
  if (!dev) readParameters = buildParameters($('publish-parameters'), route().path, onChange);
  $('publish-token-box').hidden = dev || !route().auth;
  $('publish-subject-box').hidden = !takesSubject();
  $('publish-subject').required = takesSubject();
  onChange();
}

export function buildPublish(info, onChange) {
  dev = info.dev;
  routes = info.routes.filter(({ publish }) => publish);
  const none = !dev && routes.length === 0;
  $('publish-absent').hidden = !none;
  $('publish-form').hidden = none;
  if (none) return;
  $('publish-route-box').hidden = dev;
  $('burst').hidden = !dev;
  if (!dev) $('publish-subject').value = '';
  said(dev ? 'Subjects under demo. are open here.' : 'What you publish here is real: whoever listens gets it.');
  fillSelect(
    $('publish-route'),
    routes.map(({ path }) => path),
  );
  $('publish-route').onchange = () => showRoute(onChange);
  for (const id of ['publish-subject', 'payload']) $(id).oninput = onChange;
  $('publish-form').onsubmit = (event) => {
    event.preventDefault();
    publish(1);
  };
  $('burst').onclick = () => publish(1000);
  showRoute(onChange);
}
