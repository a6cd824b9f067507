// connection.js - the connection that carries this page's streams, and each of them in detail
// SPDX-License-Identifier: MIT
import { $, button, count, element, number, put } from './dom.js';
import { ask } from './gateway.js';
import { MAX_STREAMS, PLACES, closeStream, countOpen, inUse, streams } from './streams.js';

// Over HTTP/1.1 each stream is a connection of its own, and browsers open six.
const MAX_HTTP1 = 4;

let info = { dev: true };
let connection = null; // what GET /dev/connection last said; null while the gateway doesn't answer
let changed = () => {};

const isHttp2 = () => (info.dev ? connection === null || connection.protocol === 'h2' : false);
export const mostStreams = () => (isHttp2() ? MAX_STREAMS : MAX_HTTP1);
// Only in development, and where all streams are on it, does ending the connection end them.
export const canCutConnection = () => info.dev && isHttp2();

export async function askConnection() {
  if (!info.dev) return;
  try {
    const answer = await ask('/dev/connection');
    connection = answer.ok ? await answer.json() : null;
  } catch {
    connection = null;
  }
  showConnection();
  changed();
}

function describe() {
  if (!info.dev) return 'Over the admin listener’s HTTP/1.1 each stream is a connection of its own: at most four.';
  if (!connection) return 'The gateway doesn’t answer. The browser tries again by itself.';
  if (!isHttp2())
    return 'This page came over HTTP/1.1: each stream is a connection of its own, and browsers allow six. Use HTTP/2.';
  const { connection: id, streams: carried } = connection;
  return `All of this page travels on connection ${id}. The gateway counts ${count(carried, 'stream')} on it.`;
}

function showConnection() {
  put($('connection-text'), 'textContent', describe());
  put($('cut'), 'textContent', canCutConnection() ? 'Cut the connection' : 'Cut the streams');
  $('slots').hidden = !isHttp2();
  if (!info.dev) {
    $('link').hidden = true;
    return;
  }
  $('link').firstElementChild.dataset.state = connection ? 'open' : 'connecting';
  const { connection: id, streams: carried } = connection ?? {};
  const name = isHttp2() ? 'HTTP/2' : 'HTTP/1.1';
  const text = connection ? `${name} · connection ${id} · ${carried} of ${PLACES}` : 'gateway away, trying again';
  put($('link-text'), 'textContent', text);
}

// ---- the hundred places ----

const slots = Array.from({ length: PLACES }, (_, i) => {
  const slot = element('i');
  if (i >= MAX_STREAMS) slot.dataset.state = 'own';
  return slot;
});

export function showSlots() {
  for (let i = 0; i < MAX_STREAMS; i++) {
    const stream = streams[i];
    put(slots[i].dataset, 'state', stream?.state ?? '');
    put(slots[i], 'className', stream?.lit ? 'lit' : '');
    if (stream) stream.lit = false;
  }
}

// ---- each stream ----

const rows = new Map();

function buildRow(stream) {
  const row = element('tr');
  const cells = ['', 'state', 'subject', 'num', 'id', 'num', ''].map((name) => element('td', name));
  const dot = element('span', 'dot');
  const state = element('span');
  const end = button('Close', '', `Close stream ${stream.place + 1}`);
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
  cells[2].title = stream.url;
  cells[6].append(end);
  row.append(...cells);
  return { row, dot, state, events: cells[3], lastId: cells[4], told: cells[5] };
}

// What happened to it beside its events.
function toldOf({ resumes, gaps, byes }) {
  const parts = [resumes && count(resumes, 'resume'), gaps && count(gaps, 'gap'), byes && count(byes, 'bye')];
  return parts.filter(Boolean).join(', ') || '–';
}

function showRow(stream) {
  if (!rows.has(stream)) {
    rows.set(stream, buildRow(stream));
    $('streams').append(rows.get(stream).row);
  }
  const { dot, state, events, lastId, told } = rows.get(stream);
  put(dot.dataset, 'state', stream.state);
  put(state, 'textContent', stream.state);
  put(events, 'textContent', number.format(stream.events));
  put(lastId, 'textContent', stream.lastId || '–');
  put(told, 'textContent', toldOf(stream));
}

export function showStreams() {
  const used = inUse();
  put($('open'), 'textContent', String(countOpen()));
  const summary = used.length ? `${count(used.length, 'stream')} in detail` : 'No stream is open';
  put($('stream-summary'), 'textContent', summary);
  $('close-all').disabled = used.length === 0;
  if (!$('stream-details').open) return;
  for (const [stream, { row }] of rows) {
    if (streams[stream.place] === stream) continue;
    row.remove();
    rows.delete(stream);
  }
  used.forEach(showRow);
}

export function buildConnection(told, onChange) {
  info = told;
  changed = onChange;
  $('slots').append(...slots);
  $('stream-details').open = matchMedia('(min-width: 62rem)').matches;
  $('stream-details').ontoggle = showStreams;
  $('close-all').onclick = () => {
    inUse().forEach(closeStream);
    onChange();
    showStreams();
  };
  showConnection();
  showStreams();
}
