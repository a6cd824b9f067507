// cut.js - cuts this page's streams on purpose, and keeps the account of what resuming them was worth
// SPDX-License-Identifier: MIT
import { $, count, element, number, seconds } from './dom.js';
import { ask, matches } from './gateway.js';
import { demoUrl, post } from './publish.js';
import { dropStream, inUse } from './streams.js';

const AWAY_MS = 1000; // where the page itself drops its streams
const PROBES = 5; // messages a subject, published while nobody is there to get them
const PROBED_SUBJECTS = 4;
const PATIENCE_MS = 20000;

let probing = null; // the cut under way: { mark, expected: streams -> how many }

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, ms) {
  const deadline = performance.now() + ms;
  while (!condition() && performance.now() < deadline) await pause(10);
  return condition();
}

// Of each event that arrives: whether it is one of ours.
export function noticeProbe(stream, data) {
  if (!probing || !data.includes(probing.mark)) return;
  stream.probes.push(Number(/"probe":(\d+)/.exec(data)?.[1]));
}

// A subject that the pattern matches.
const literal = (pattern) => pattern.replaceAll('*', 'cut').replace('>', 'cut');

// Publishes while the streams are away; each remembers what it is owed.
async function publishProbes(streams) {
  const patterns = [...new Set(streams.map(({ subjects }) => subjects[0]))].slice(0, PROBED_SUBJECTS);
  for (const pattern of patterns) {
    const subject = literal(pattern);
    const owed = streams.filter(({ subjects }) => subjects.some((wanted) => matches(wanted, subject)));
    for (let i = 0; i < PROBES; i++) {
      await post(demoUrl(subject), JSON.stringify({ cut: probing.mark, probe: probing.sent }));
      probing.sent++;
      for (const stream of owed) stream.owed++;
    }
  }
}

async function cutByGateway() {
  // the answer may be lost with the connection, which is the point
  await ask('/dev/cut', { method: 'POST' }).catch(() => {});
}

async function run({ byGateway }) {
  const streams = inUse().filter(({ state }) => state === 'open');
  const began = performance.now();
  probing = { mark: `${Date.now().toString(36)}`, sent: 0 };
  for (const stream of streams) {
    const { resumes, repeats, gaps } = stream;
    Object.assign(stream, { probes: [], owed: 0, before: { resumes, repeats, gaps } });
  }
  if (byGateway) await cutByGateway();
  else for (const stream of streams) dropStream(stream, AWAY_MS);
  const gone = await until(() => streams.every((stream) => stream.awaySince >= began), PATIENCE_MS);
  if (byGateway) await publishProbes(streams).catch(() => {});
  const back = await until(() => streams.every(({ state }) => state === 'open'), PATIENCE_MS);
  await until(() => streams.every(({ probes, owed }) => probes.length >= owed), back ? 5000 : 0);
  probing = null;
  return account(streams, { gone, byGateway });
}

const sum = (list, of) => list.reduce((total, one) => total + of(one), 0);

function account(streams, { gone, byGateway }) {
  const back = streams.filter(({ state, resumes, before }) => state === 'open' && resumes > before.resumes);
  const inOrder = ({ probes }) => probes.every((probe, i) => i === 0 || probe > probes[i - 1]);
  return {
    byGateway,
    gone,
    streams: streams.length,
    back: back.length,
    away: Math.max(0, ...back.map(({ backAt, awaySince }) => backAt - awaySince)) / 1000,
    owed: sum(streams, ({ owed }) => owed),
    got: sum(streams, ({ probes }) => new Set(probes).size),
    repeated: sum(streams, ({ repeats, before }) => repeats - before.repeats),
    disordered: streams.filter((stream) => !inOrder(stream)).length,
    gaps: sum(streams, ({ gaps, before }) => gaps - before.gaps),
  };
}

function fact(value, name, good) {
  const box = element('div', good ? 'fact' : 'fact bad');
  box.append(element('p', 'value', value), element('p', 'name', name));
  return box;
}

const of = (n, all) => `${number.format(n)} of ${number.format(all)}`;

function show(result) {
  const { away, back, streams, owed, got, repeated, disordered, gaps } = result;
  const whole = back === streams && got === owed && repeated === 0 && disordered === 0 && gaps === 0;
  const facts = [
    fact(seconds(away), 'until the last stream was back', back === streams),
    fact(of(back, streams), 'streams resumed by their last id', back === streams),
    ...(owed > 0 ? [fact(of(got, owed), 'events of the meantime arrived', got === owed)] : []),
    fact(number.format(repeated + disordered), 'twice or out of order', repeated + disordered === 0),
    fact(number.format(gaps), 'gaps told', gaps === 0),
  ];
  const verdict = whole ? 'Nothing is missing, and nothing came twice.' : 'Not everything came through:';
  $('cut-verdict').textContent = verdict;
  $('cut-facts').replaceChildren(...facts);
  $('cut-report').dataset.whole = whole;
  $('cut-report').hidden = false;
}

// The button: byGateway() says whether the streams share the connection that a cut would end.
export function buildCut(byGateway) {
  $('cut').onclick = async () => {
    const open = inUse().filter(({ state }) => state === 'open').length;
    $('cut').disabled = true;
    $('cut-report').hidden = true;
    $('cut-status').textContent = `Cut: ${count(open, 'stream')} away.`;
    try {
      show(await run({ byGateway: byGateway() }));
    } finally {
      $('cut-status').textContent = '';
      $('cut').disabled = false;
      if (document.activeElement === document.body) $('cut').focus(); // a disabled button loses it
    }
  };
}
