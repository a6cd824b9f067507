// tiles.js - the gateway's figures: each one now, and over the last minutes
// SPDX-License-Identifier: MIT
import { Chart } from './chart.js';
import { $, duration, element, number, put, rate, seconds } from './dom.js';
import { perSecond, quantile } from './metrics.js';

const DELIVERY = 'freshet_delivery_seconds';
// A percentile of a few events jumps about: it is taken over the last readings together.
const DELIVERY_WINDOW = 10;
// The charts begin short, so that there is something to see, and then reach back so far.
const LEAST_MS = 30000;
const MOST_MS = 180000;

// How many readings sampleOf looks at.
export const READINGS = DELIVERY_WINDOW + 1;

// What one reading adds to the charts. readings: the latest last, { time, sums, buckets }; slow: readers behind, or null.
export function sampleOf(readings, slow) {
  const [before, now] = readings.slice(-2);
  const long = readings.at(-1 - Math.min(DELIVERY_WINDOW, readings.length - 1));
  const gauge = (name) => now.sums.get(name) ?? null;
  return {
    time: now.time,
    events: perSecond('freshet_events_sent_total', before, now),
    messages: perSecond('freshet_messages_received_total', before, now),
    gaps: perSecond('freshet_gaps_total', before, now),
    p99: quantile(DELIVERY, 0.99, long, now),
    p50: quantile(DELIVERY, 0.5, long, now),
    timed: now.buckets.has(DELIVERY),
    streams: gauge('freshet_streams'),
    connections: gauge('freshet_connections'),
    slow,
  };
}

const whole = (n) => number.format(n);
const tiles = [
  {
    name: 'Events sent a second',
    keys: ['events', 'messages'],
    second: (text) => `${text} received from NATS`,
    format: rate,
    least: 10,
  },
  {
    name: 'Delivery, 99 % within',
    keys: ['p99', 'p50'],
    second: (text) => `half within ${text}`,
    format: seconds,
    least: 0.001,
  },
  { name: 'Streams', keys: ['streams'], format: whole, least: 2 },
  { name: 'Connections', keys: ['connections'], format: whole, least: 2 },
  { name: 'Gaps a second', keys: ['gaps'], format: rate, least: 1, alarming: true },
  { name: 'Slow readers', keys: ['slow'], format: whole, least: 2, alarming: true },
];

const samples = [];
let pointed = null; // where in the charts, from their right, as a share of their width; null: nowhere

export function buildTiles() {
  for (const tile of tiles) {
    tile.chart = new Chart({ label: tile.name, ...tile, onHover: pointAt });
    tile.value = element('p', 'value', '–');
    tile.beside = element('p', 'beside');
    const box = element('div', tile.second ? 'tile wide' : 'tile');
    box.append(element('p', 'name', tile.name), tile.value, tile.beside, tile.chart.host);
    $('tiles').append(box);
  }
}

export function addSample(sample) {
  samples.push(sample);
  while (samples[0].time < sample.time - MOST_MS) samples.shift();
  showTiles();
}

function pointAt(share) {
  pointed = share;
  showTiles();
}

function sampleAt({ now, span }) {
  if (pointed === null) return samples.at(-1);
  const distance = ({ time }) => Math.abs(now - pointed * span - time);
  return samples.reduce((best, sample) => (distance(sample) < distance(best) ? sample : best));
}

// Why there is nothing to see.
function absence({ keys }, { timed, slow }) {
  if (keys[0] === 'p99') return timed ? 'no event lately' : 'not available';
  return keys[0] === 'slow' && slow === null ? 'not available' : '';
}

function showTile(tile, sample, range) {
  const [first, second] = tile.keys;
  const text = sample[first] === null ? '–' : tile.format(sample[first]);
  put(tile.value, 'textContent', text);
  tile.value.classList.toggle('warned', Boolean(tile.alarming && sample[first]));
  const when = pointed === null ? '' : `${duration((range.now - sample.time) / 1000)} ago`;
  const other = second && sample[second] !== null ? tile.second(tile.format(sample[second])) : absence(tile, sample);
  put(tile.beside, 'textContent', when || other);
  tile.beside.classList.toggle('s1', !when);
  if (pointed === null) tile.chart.draw(samples, range, text);
  tile.chart.point(pointed);
}

function showTiles() {
  if (samples.length === 0) return;
  const now = samples.at(-1).time;
  const range = { now, span: Math.min(Math.max(now - samples[0].time, LEAST_MS), MOST_MS) };
  const sample = sampleAt(range);
  for (const tile of tiles) showTile(tile, sample, range);
}
