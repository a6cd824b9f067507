// overview.js - looks at the gateway once a second, and shows what it says of itself
// SPDX-License-Identifier: MIT
import { $, bytes, count, duration, element, number, put } from './dom.js';
import { ask } from './gateway.js';
import { parse } from './metrics.js';
import { READINGS, addSample, buildTiles, sampleOf } from './tiles.js';

const EVERY_MS = 1000;
const ROWS = 50;
// What isn't there won't be in a second.
const ABSENT_MS = 30000;

const readings = []; // of /metrics
const absentUntil = new Map(); // by path

async function look(path, read) {
  if (absentUntil.get(path) > performance.now()) return null;
  try {
    const answer = await ask(path);
    if (answer.status === 404) absentUntil.set(path, performance.now() + ABSENT_MS);
    return answer.ok ? await read(answer) : null;
  } catch {
    return null;
  }
}

// ---- channels and slow readers ----

// A subject may break after its dots, and nowhere else.
function subjectCell(text) {
  const cell = element('td', 'subject');
  for (const part of text.split(/(?<=\.)/)) cell.append(part, element('wbr'));
  return cell;
}

const numberCell = (text) => element('td', 'num', text);

function channelRow(channel) {
  const row = element('tr');
  row.append(
    subjectCell(channel.pattern),
    element('td', '', channel.store),
    numberCell(number.format(channel.streams)),
    numberCell(number.format(channel.events)),
    numberCell(bytes(channel.bytes)),
    element('td', 'id', channel.head ?? '–'),
  );
  return row;
}

function slowRow(reader) {
  const row = element('tr');
  row.append(
    element('td', '', reader.route ?? '–'),
    element('td', '', reader.peer),
    subjectCell((reader.subjects ?? []).join(' ')),
    numberCell(number.format(reader.behind_events)),
    numberCell(duration(reader.stuck_seconds ?? 0)),
    numberCell(duration(reader.age_seconds ?? 0)),
  );
  return row;
}

function fill(id, rows, absent) {
  $(id).replaceChildren(...rows);
  $(id).closest('table').hidden = rows.length === 0;
  put($(`${id}-absent`), 'textContent', absent);
  $(`${id}-absent`).hidden = rows.length > 0;
}

function showState(state) {
  if (!state) {
    fill('channels', [], 'Not available: this gateway does not answer /streams.');
    fill('slow', [], 'Not available: this gateway does not answer /streams.');
    put($('channels-count'), 'textContent', '');
    return;
  }
  const { channels = [], channels_total: total = channels.length, slow = [] } = state;
  const busiest = channels.toSorted((a, b) => b.streams - a.streams || a.pattern.localeCompare(b.pattern));
  const rows = busiest.slice(0, ROWS).map(channelRow);
  fill('channels', rows, 'There are none: nobody has subscribed yet.');
  fill('slow', slow.slice(0, ROWS).map(slowRow), 'No stream is behind.');
  const some = total > rows.length ? `${number.format(rows.length)} of ${number.format(total)}` : '';
  put($('channels-count'), 'textContent', state.complete === false ? `${some} not all workers have answered` : some);
}

// ---- the whole ----

function showHealth(metrics, state) {
  const parts = [];
  if (!metrics) parts.push('Not available: the gateway does not answer.');
  if (state) parts.push(`up ${duration(state.uptime_seconds)}`, count(state.channels_total ?? 0, 'channel'));
  if (metrics) parts.push(metrics.sums.get('freshet_nats_connected') ? 'NATS connected' : 'no connection to NATS');
  put($('health-text'), 'textContent', parts.join(' · '));
  $('health').dataset.state = metrics?.sums.get('freshet_nats_connected') ? 'open' : 'refused';
}

async function lookOnce(info) {
  const metrics = await look(info.metrics, async (answer) => parse(await answer.text()));
  const state = await look(`${info.streams}?limit=${ROWS}`, (answer) => answer.json());
  const now = Date.now();
  showHealth(metrics, state);
  showState(state);
  if (!metrics) return;
  readings.push({ ...metrics, time: now });
  readings.splice(0, readings.length - READINGS);
  if (readings.length > 1) addSample(sampleOf(readings, state ? (state.slow?.length ?? 0) : null));
}

// One request at a time, for there may be no more places; and none while nobody sees what comes of it.
export async function startOverview(info, alsoAsk) {
  buildTiles();
  for (;;) {
    const began = performance.now();
    if (document.visibilityState === 'visible') {
      await lookOnce(info);
      await alsoAsk();
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(100, EVERY_MS - (performance.now() - began))));
  }
}
