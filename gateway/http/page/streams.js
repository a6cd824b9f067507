// streams.js - the page's EventSource streams and what is known of each
// SPDX-License-Identifier: MIT

// libh2o lets a connection carry 100 streams; two stay free for this page's own requests, which would
// otherwise wait for ever behind streams that never end.
export const PLACES = 100;
export const MAX_STREAMS = 98;
// Events as CloudEvents, which name their subject: with a wildcard the payload alone would not tell it.
const FEED = '/dev/events';

export const streams = []; // by place; a place without a stream is undefined

export function query(subjects) {
  return subjects.map((subject) => `subject=${encodeURIComponent(subject)}`).join('&');
}

export function inUse() {
  return streams.filter(Boolean);
}

export function countOpen() {
  return inUse().filter((stream) => stream.state === 'open').length;
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

// "data" is the last member, and no quoted string before it can hold an unescaped quote: so the payload of a
// JSON message can be shown byte for byte instead of as JSON.parse and stringify would have it.
export function readEvent(text) {
  const event = JSON.parse(text);
  let data = event.data;
  if (data === undefined) data = event.data_base64 ? `base64: ${event.data_base64}` : '';
  else if (typeof data !== 'string') data = text.slice(text.indexOf('"data":') + 7, text.lastIndexOf('}'));
  return { subject: event.subject ?? '', data };
}

// EventSource doesn't say why a stream was refused; the same request made by hand does.
async function askWhy(stream) {
  const ask = new AbortController();
  try {
    const answer = await fetch(stream.url, { headers: { accept: 'text/event-stream' }, signal: ask.signal });
    const problem = answer.ok ? {} : await answer.json();
    stream.why = problem.detail ?? problem.title ?? '';
  } catch {
    stream.why = '';
  }
  ask.abort();
}

// Opens one stream; on.event(stream, id, data), on.notice(stream, kind, fields) and on.change() tell the page.
// False: every place is taken.
export function openStream(subjects, on) {
  const place = Array.from({ length: MAX_STREAMS }, (_, i) => streams[i]).indexOf(undefined);
  if (place < 0) return false;

  const url = `${FEED}?${query(subjects)}`;
  const source = new EventSource(url);
  const stream = { place, url, subjects, source, state: 'connecting', events: 0, lastId: '', why: '', lit: false };
  const notice = (kind) => (event) => on.notice(stream, kind, JSON.parse(event.data));

  source.onopen = () => {
    stream.state = 'open';
    on.change();
  };
  source.onerror = async () => {
    stream.state = source.readyState === EventSource.CLOSED ? 'refused' : 'connecting';
    on.change();
    if (stream.state !== 'refused') return;
    await askWhy(stream);
    on.notice(stream, 'refused', { reason: stream.why });
  };
  source.onmessage = (event) => {
    stream.events++;
    stream.lastId = event.lastEventId;
    stream.lit = true;
    on.event(stream, event.lastEventId, event.data);
  };
  source.addEventListener('freshet.gap', notice('gap'));
  source.addEventListener('freshet.bye', notice('bye'));
  streams[place] = stream;
  on.change();
  return true;
}

export function closeStream(stream) {
  stream.source.close();
  streams[stream.place] = undefined;
}
