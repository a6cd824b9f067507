// app.js - the console: what the gateway does, streams of one's own, the events on them, and publishing
// SPDX-License-Identifier: MIT
import { buildCode, showCode } from './code.js';
import { askConnection, buildConnection, canCutConnection, mostStreams, showSlots, showStreams } from './connection.js';
import { buildCut, noticeProbe } from './cut.js';
import { $, number, put, rate } from './dom.js';
import { readEvent } from './event.js';
import { ask, keepToken, token } from './gateway.js';
import { EventLog } from './log.js';
import { startOverview } from './overview.js';
import { buildPublish } from './publish.js';
import { inUse, openStream } from './streams.js';
import { buildSubscribe, wanted } from './subscribe.js';

const RATE_MS = 2000;

const log = new EventLog($('events'));
let total = 0;
let gaps = 0;
let byes = 0;
const arrivals = []; // [time, total] of the last RATE_MS

// ---- opening ----

function showChoice() {
  const stream = wanted();
  const none = inUse().length >= mostStreams() || stream === null;
  for (const button of document.querySelectorAll('[data-open]')) button.disabled = none;
  showCode();
}

function open(times) {
  for (let i = 0; i < times && inUse().length < mostStreams() && wanted(); i++) openStream(wanted(), handlers);
  changed();
}

let changeTimer = 0;
function changed() {
  clearTimeout(changeTimer);
  changeTimer = setTimeout(() => {
    showStreams();
    askConnection();
  }, 150);
  showChoice();
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
  denied: 'The broker does not let the gateway read this.',
};

function showNotice(kind, stream, reason) {
  const refused = kind === 'refused';
  const text = refused
    ? `Stream ${stream.place + 1} was refused: ${reason || 'no reason given'}`
    : (explanations[reason] ?? reason);
  const row = kind === 'gap' ? 'gap' : 'bye';
  if (kind === 'gap') gaps++;
  if (kind === 'bye') byes++;
  if (!log.addNotice(row, refused ? 'refused' : `freshet.${kind} ${reason}`, text)) return;
  $('notice').className = row === 'gap' ? 'alert' : 'alert bad';
  $('notice').textContent = text;
  $('notice').hidden = false;
}

const handlers = {
  event(stream, type, data, id) {
    total++;
    noticeProbe(stream, data);
    log.add(id, () => ({ id, ...readEvent(stream, type, data) }));
  },
  notice: (stream, kind, fields) => showNotice(kind, stream, fields.reason),
  change: changed,
};

// ---- figures of this page ----

function showRate() {
  const now = performance.now();
  arrivals.push([now, total]);
  while (arrivals.length > 1 && arrivals[0][0] < now - RATE_MS) arrivals.shift();
  const [began, before] = arrivals[0];
  put($('rate'), 'textContent', now > began ? rate(((total - before) * 1000) / (now - began)) : '0');
}

function showFigures() {
  put($('total'), 'textContent', number.format(total));
  put($('gaps'), 'textContent', number.format(gaps));
  put($('byes'), 'textContent', number.format(byes));
  $('gaps').classList.toggle('warned', gaps > 0);
  put($('empty'), 'hidden', log.entries.length > 0);
  put($('empty'), 'textContent', inUse().length ? 'Waiting for the first event.' : 'No stream is open yet.');
  const waiting = log.unseen ? ` (${number.format(log.unseen)} new)` : '';
  put($('pause'), 'textContent', log.paused ? `Go on${waiting}` : 'Pause');
}

// ---- the token ----

// The page itself holds no secrets; all it shows is asked for with what is typed here.
function askForToken() {
  $('token-problem').hidden = !token();
  keepToken('');
  $('main').hidden = $('link').hidden = true;
  $('token-card').hidden = false;
  $('token').focus();
}

function buildToken() {
  $('token-form').onsubmit = (event) => {
    event.preventDefault();
    keepToken($('token').value.trim());
    $('token').value = '';
    begin();
  };
  $('forget').onclick = () => {
    keepToken('');
    location.reload();
  };
}

// ---- beginning ----

async function askInfo() {
  for (;;) {
    const answer = await ask('/console.json').catch(() => null);
    if (answer?.status === 401) return null;
    if (answer?.ok) return answer.json();
    $('link-text').textContent = 'gateway away, trying again';
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function wire(info) {
  for (const button of document.querySelectorAll('[data-open]'))
    button.onclick = () => open(Number(button.dataset.open));
  for (const node of document.querySelectorAll('[data-only]'))
    node.hidden = (node.dataset.only === 'dev') !== info.dev;
  $('forget').hidden = !token();
  $('pause').onclick = () => {
    log.paused = !log.paused;
    $('pause').classList.toggle('on', log.paused);
    showFigures();
  };
  $('clear').onclick = () => {
    log.clear();
    $('notice').hidden = true;
  };
}

async function begin() {
  const info = await askInfo();
  if (info === null) {
    askForToken();
    return;
  }
  $('token-card').hidden = true;
  $('main').hidden = $('link').hidden = false;
  $('version').textContent = info.version;
  buildCode(info);
  buildPublish(info, showCode);
  buildSubscribe(info, showChoice);
  buildConnection(info, changed);
  buildCut(canCutConnection);
  wire(info);
  if (info.dev) open(1);
  setInterval(() => {
    log.render();
    showSlots();
    showFigures();
  }, 120);
  setInterval(() => {
    showStreams();
    showRate();
  }, 500);
  startOverview(info, askConnection);
}

buildToken();
begin();
