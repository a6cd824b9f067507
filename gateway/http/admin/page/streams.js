// streams.js - the page's streams and what is known of each
// SPDX-License-Identifier: MIT
import { listen } from './source.js';

// libh2o lets a connection carry 100 streams; two stay free for this page's own requests, which would
// otherwise wait for ever behind streams that never end.
export const PLACES = 100;
export const OWN = 2;
export const MAX_STREAMS = PLACES - OWN;

export const streams = []; // by place; a place without a stream is undefined

export function inUse() {
  return streams.filter(Boolean);
}

export function countOpen() {
  return inUse().filter((stream) => stream.state === 'open').length;
}

// "<incarnation>-<sequence>": sequences of one incarnation only rise.
function readId(id) {
  const dash = id.lastIndexOf('-');
  return { incarnation: id.slice(0, dash), sequence: Number(id.slice(dash + 1)) };
}

function follow(stream, id) {
  const [last, next] = [readId(stream.lastId), readId(id)];
  if (last.incarnation === next.incarnation && next.sequence <= last.sequence) stream.repeats++;
  stream.lastId = id;
}

// Opens one stream of what was asked for: { url, subjects, format, named, headers }. on.event(stream, type, data, id),
// on.notice(stream, kind, fields) and on.change(stream) tell the page. False: every place is taken.
export function openStream(wanted, on) {
  const place = Array.from({ length: MAX_STREAMS }, (_, i) => streams[i]).indexOf(undefined);
  if (place < 0) return false;
  const stream = {
    ...wanted,
    place,
    on,
    state: 'connecting',
    events: 0,
    lastId: '',
    gaps: 0,
    byes: 0,
    repeats: 0,
    resumes: 0,
    awaySince: 0,
    backAt: 0,
    lit: false,
  };
  streams[place] = stream;
  start(stream, '');
  on.change(stream);
  return true;
}

function start(stream, cursor) {
  stream.source = listen(
    stream.url,
    { headers: stream.headers, named: stream.named, cursor },
    {
      state: (state, why) => changeState(stream, state, why),
      event: (type, data, id) => takeEvent(stream, type, data, id),
    },
  );
}

function changeState(stream, state, why) {
  if (streams[stream.place] !== stream) return; // closed meanwhile
  if (state === 'reconnecting' && stream.state !== 'reconnecting') stream.awaySince = performance.now();
  if (state === 'open' && stream.state === 'reconnecting') {
    stream.resumes++;
    stream.backAt = performance.now();
  }
  stream.state = state;
  stream.on.change(stream);
  if (state === 'refused') stream.on.notice(stream, 'refused', { reason: why });
}

function takeEvent(stream, type, data, id) {
  if (type === 'freshet.gap' || type === 'freshet.bye') {
    const kind = type.slice('freshet.'.length);
    stream[`${kind}s`]++;
    stream.on.notice(stream, kind, JSON.parse(data));
    return;
  }
  stream.events++;
  if (id) follow(stream, id);
  stream.lit = true;
  stream.on.event(stream, type, data, id);
}

export function closeStream(stream) {
  stream.source.close();
  streams[stream.place] = undefined;
}

// Ends a stream as its browser would, and after a while opens it where it was.
export function dropStream(stream, awayMs) {
  stream.source.close();
  changeState(stream, 'reconnecting');
  setTimeout(() => streams[stream.place] === stream && start(stream, stream.lastId), awayMs);
}
