// app.js - the console: choose subjects, open streams, watch events, publish
// SPDX-License-Identifier: MIT
import { EventLog, element } from './log.js';
import {
  MAX_STREAMS,
  PLACES,
  closeStream,
  countOpen,
  inUse,
  matches,
  openStream,
  query,
  readEvent,
  streams,
} from './streams.js';

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat('en');
const count = (n, word) => `${number.format(n)} ${word}${n === 1 ? '' : 's'}`;

const subjects = new Map([
  ['demo.clock', false],
  ['demo.ticker.*', false],
  ['demo.>', true],
]);
const chosen = () => [...subjects].filter(([, on]) => on).map(([subject]) => subject);
const log = new EventLog($('events'));
let total = 0;
let gaps = 0;
let most = MAX_STREAMS;
let connection = null; // what GET /dev/connection last said; null while the gateway doesn't answer

// ---- subjects and streams ----

function showChips() {
  const chips = [...subjects].map(([subject, on]) => {
    const chip = element('button', '', subject);
    chip.type = 'button';
    chip.setAttribute('aria-pressed', on);
    chip.onclick = () => {
      subjects.set(subject, !subjects.get(subject));
      chip.setAttribute('aria-pressed', subjects.get(subject));
      showChoice();
    };
    return chip;
  });
  $('chips').replaceChildren(...chips);
}

function showChoice() {
  const none = inUse().length >= most || chosen().length === 0;
  for (const button of document.querySelectorAll('[data-open]')) button.disabled = none;
  showCode();
}

function open(wanted) {
  for (let i = 0; i < wanted && inUse().length < most; i++) openStream(chosen(), handlers);
}

// ---- what the streams tell ----

const explanations = {
  evicted: 'Events are missing: the history no longer held the next one.',
  'unknown-id': 'The gateway doesn’t know the last id, as after a restart: events may be missing.',
  'broker-lost': 'The broker was away: events may be missing.',
  slow: 'This reader fell behind the history of its subjects.',
  drain: 'The gateway sends its streams elsewhere; the browser comes back by itself.',
  shutdown: 'The gateway shut down; the browser keeps trying to come back.',
  expired: 'The right to read this stream has expired.',
  revoked: 'The right to read this stream was taken back.',
};

function showNotice(kind, stream, reason) {
  const refused = kind === 'refused';
  const text = refused
    ? `Stream ${stream.place + 1} was refused: ${reason || 'no reason given'}`
    : (explanations[reason] ?? reason);
  const row = kind === 'gap' ? 'gap' : 'bye';
  if (kind === 'gap') gaps++;
  if (!log.addNotice(row, refused ? 'refused' : `freshet.${kind} ${reason}`, text)) return;
  $('notice').className = row === 'gap' ? 'alert' : 'alert bad';
  $('notice').textContent = text;
  $('notice').hidden = false;
}

const handlers = {
  event(stream, id, text) {
    total++;
    buckets[buckets.length - 1]++;
    log.add(id, () => ({ id, ...readEvent(text) }));
  },
  notice: (stream, kind, fields) => showNotice(kind, stream, fields.reason),
  change: changed,
};

let changeTimer = 0;
function changed() {
  clearTimeout(changeTimer);
  changeTimer = setTimeout(askConnection, 150);
  showChoice();
}

// ---- the connection ----

async function askConnection() {
  try {
    const answer = await fetch('/dev/connection', { cache: 'no-store' });
    connection = answer.ok ? await answer.json() : null;
  } catch {
    connection = null;
  }
  // over HTTP/1.1 each stream is a connection of its own, and browsers open six
  most = connection && connection.protocol !== 'h2' ? 4 : MAX_STREAMS;
  showConnection();
  showChoice();
}

function showConnection() {
  $('link').firstElementChild.dataset.state = connection ? 'open' : 'connecting';
  if (!connection) {
    $('link-text').textContent = 'gateway away, trying again';
    $('connection-text').textContent = 'The gateway doesn’t answer. The browser tries again by itself.';
    return;
  }
  const { connection: id, protocol, streams: carried } = connection;
  const name = protocol === 'h2' ? 'HTTP/2' : 'HTTP/1.1';
  $('link-text').textContent = `${name} · connection ${id} · ${carried} of ${PLACES}`;
  $('connection-text').textContent =
    protocol === 'h2'
      ? `All of this page travels on connection ${id}. The gateway counts ${count(carried, 'stream')} on it.`
      : 'This page came over HTTP/1.1: each stream is a connection of its own, and browsers allow six. Use HTTP/2.';
}

const slots = Array.from({ length: PLACES }, (_, i) => {
  const slot = element('i');
  if (i >= MAX_STREAMS) slot.dataset.state = 'own';
  return slot;
});

const streamRows = new Map();
function streamRow(stream) {
  const row = element('tr');
  const cells = Array.from({ length: 6 }, () => element('td'));
  cells[3].className = 'num';
  const dot = element('span', 'dot');
  const state = element('span');
  const end = element('button', '', 'Close');
  end.type = 'button';
  end.setAttribute('aria-label', `Close stream ${stream.place + 1}`);
  end.onclick = () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    closeStream(stream);
    changed();
    showStreams();
    (next?.querySelector('button') ?? $('open-1')).focus();
  };
  cells[0].textContent = stream.place + 1;
  cells[1].append(dot, state);
  cells[2].textContent = stream.subjects.join(', ');
  cells[5].append(end);
  row.append(...cells);
  return { row, dot, state, events: cells[3], lastId: cells[4] };
}

// Most of what is shown again hasn't changed, and to write it anyway would cost a layout.
function put(node, key, value) {
  if (node[key] !== value) node[key] = value;
}

function showSlots() {
  for (let i = 0; i < MAX_STREAMS; i++) {
    const stream = streams[i];
    put(slots[i].dataset, 'state', stream?.state ?? '');
    put(slots[i], 'className', stream?.lit ? 'lit' : '');
    if (stream) stream.lit = false;
  }
}

function showStreams() {
  const used = inUse();
  put($('open'), 'textContent', String(countOpen()));
  put(
    $('stream-summary'),
    'textContent',
    used.length ? `${count(used.length, 'stream')} in detail` : 'No stream is open',
  );
  $('close-all').disabled = used.length === 0;
  if (!$('stream-details').open) return;
  for (const [stream, { row }] of streamRows) {
    if (streams[stream.place] === stream) continue;
    row.remove();
    streamRows.delete(stream);
  }
  for (const stream of used) {
    if (!streamRows.has(stream)) {
      const made = streamRow(stream);
      streamRows.set(stream, made);
      $('streams').append(made.row);
    }
    const { dot, state, events, lastId } = streamRows.get(stream);
    put(dot.dataset, 'state', stream.state);
    put(state, 'textContent', stream.state);
    put(events, 'textContent', number.format(stream.events));
    put(lastId, 'textContent', stream.lastId || '–');
  }
}

// ---- rate ----

const BUCKET_MS = 500;
const buckets = new Array(121).fill(0); // the last one is filling

function showRate() {
  const perSecond = buckets.slice(-5, -1).reduce((a, b) => a + b) / ((4 * BUCKET_MS) / 1000);
  $('rate').textContent = number.format(Math.round(perSecond));
  const shown = buckets.slice(0, -1);
  const top = Math.max(...shown, 1);
  const points = shown.map(
    (n, i) => `${((i * 240) / (shown.length - 1)).toFixed(1)} ${(46 - (n * 42) / top).toFixed(1)}`,
  );
  $('spark-line').setAttribute('d', `M${points.join('L')}`);
  $('spark-area').setAttribute('d', `M0 48L${points.join('L')}L240 48Z`);
  buckets.push(0);
  buckets.shift();
}

function showFigures() {
  put($('total'), 'textContent', number.format(total));
  put($('gaps'), 'textContent', number.format(gaps));
  $('gaps').classList.toggle('warned', gaps > 0);
  put($('empty'), 'hidden', log.entries.length > 0);
  const waiting = log.unseen ? ` (${number.format(log.unseen)} new)` : '';
  put($('pause'), 'textContent', log.paused ? `Go on${waiting}` : 'Pause');
}

// ---- publishing ----

async function post(subject, payload) {
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  const answer = await fetch(`/publish/${encodeURIComponent(subject)}`, { method: 'POST', headers, body: payload });
  if (answer.ok) return;
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail ?? problem.title ?? `the gateway answered ${answer.status}`);
}

function said(text) {
  $('publish-status').textContent = text;
}

async function publish(times) {
  const subject = $('publish-subject').value.trim();
  const payload = $('payload').value;
  if (!$('publish-form').reportValidity()) return;
  const began = performance.now();
  let sent = 0;
  const worker = async () => {
    while (sent < times) {
      const turn = ++sent;
      await post(subject, times === 1 ? payload : `${payload} ${turn}`);
    }
  };
  $('burst').disabled = true;
  if (times > 1) said(`Publishing ${number.format(times)} messages.`);
  try {
    // requests share the connection with the streams: no more at once than there are places left
    const lanes = Math.min(times, 16, PLACES - 1 - inUse().length);
    await Promise.all(Array.from({ length: Math.max(lanes, 1) }, worker));
    const ms = performance.now() - began;
    const heard = inUse().some((stream) => stream.subjects.some((pattern) => matches(pattern, subject)));
    const silent = heard ? '' : ' No stream open here listens to that subject.';
    said(
      times === 1
        ? `Accepted in ${ms.toFixed(0)} ms.${silent}`
        : `${number.format(times)} accepted in ${(ms / 1000).toFixed(1)} s.${silent}`,
    );
  } catch (error) {
    sent = times; // the other lanes stop too
    said(`Not published: ${error.message}`);
  } finally {
    $('burst').disabled = false;
  }
}

// ---- code ----

const quote = (s) => `'${s.replaceAll("'", "'\\''")}'`; // for a shell
const examples = {
  browser: () => [
    `const url = "${location.origin}/events?${chosen()
      .map((s) => `subject=${encodeURIComponent(s).replaceAll('%3E', '>')}`)
      .join('&')}";`,
    'const stream = new EventSource(url);',
    'stream.onmessage = (e) => console.log(e.lastEventId, e.data);',
    'stream.onerror = () => console.log("coming back");',
    'stream.addEventListener("freshet.gap", (e) => console.warn(e.data));',
  ],
  nats: () => [
    `# publish, with any NATS client${connection?.nats ? '' : '; the port is in the log, at nats-connected'}`,
    `nats --server ${server()} pub ${quote($('publish-subject').value)} ${quote($('payload').value)}`,
    '',
    '# the same subjects, seen from a backend',
    ...chosen().map((subject) => `nats --server ${server()} sub ${quote(subject)}`),
  ],
  curl: () => [
    '# watch',
    `curl -kN ${quote(`${location.origin}/events?${query(chosen())}`)}`,
    '',
    '# publish',
    `curl -k --data-raw ${quote($('payload').value)} \\`,
    `  ${quote(`${location.origin}/publish/${encodeURIComponent($('publish-subject').value)}`)}`,
  ],
};
const server = () => connection?.nats ?? 'nats://127.0.0.1:PORT';
const tabs = Object.keys(examples).map((name) => $(`tab-${name}`));
let example = 'browser';

function showCode() {
  const text = chosen().length ? examples[example]().join('\n') : '# choose a subject';
  if (text === $('code').textContent) return;
  const parts = text.split(/("[^"\n]*"|'(?:[^']|'\\'')*'|^#.*$)/m);
  $('code').replaceChildren(
    ...parts.map((part, i) => (i % 2 ? element('span', part[0] === '#' ? 'c' : 's', part) : part)),
  );
}

function chooseTab(tab) {
  for (const other of tabs) {
    other.setAttribute('aria-selected', other === tab);
    other.tabIndex = other === tab ? 0 : -1;
  }
  $('code-panel').setAttribute('aria-labelledby', tab.id);
  example = tab.id.slice('tab-'.length);
  showCode();
}

async function copy() {
  try {
    await navigator.clipboard.writeText($('code').textContent);
    $('copy').textContent = 'Copied';
    setTimeout(() => ($('copy').textContent = 'Copy'), 1500);
  } catch {
    getSelection().selectAllChildren($('code')); // no permission: ready for the user's own copy
  }
}

// ---- wiring ----

$('subject-form').onsubmit = (event) => {
  event.preventDefault();
  const subject = $('subject').value.trim();
  if (!subject) return;
  subjects.set(subject, true);
  $('subject').value = '';
  showChips();
  showChoice();
};
for (const button of document.querySelectorAll('[data-open]')) button.onclick = () => open(Number(button.dataset.open));
$('close-all').onclick = () => {
  inUse().forEach(closeStream);
  changed();
};
$('pause').onclick = () => {
  log.paused = !log.paused;
  $('pause').classList.toggle('on', log.paused);
  showFigures();
};
$('clear').onclick = () => {
  log.clear();
  $('notice').hidden = true;
};
$('publish-form').onsubmit = (event) => {
  event.preventDefault();
  publish(1);
};
$('burst').onclick = () => publish(1000);
for (const id of ['publish-subject', 'payload']) $(id).oninput = showCode;
for (const tab of tabs) {
  tab.onclick = () => chooseTab(tab);
  tab.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    chooseTab(next);
    next.focus();
  };
}
$('copy').onclick = copy;

$('slots').append(...slots);
$('stream-details').open = matchMedia('(min-width: 62rem)').matches;
showChips();
open(1);
showStreams();
showRate();
setInterval(() => {
  log.render();
  showSlots();
  showFigures();
}, 120);
setInterval(() => {
  showStreams();
  showRate();
}, BUCKET_MS);
setInterval(() => document.visibilityState === 'visible' && askConnection(), 2000);
