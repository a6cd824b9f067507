// source.js - one event stream: the browser's EventSource, or the same by fetch where that cannot say enough
// SPDX-License-Identifier: MIT
import { problemOf, tokenHeaders } from './gateway.js';

const RETRY_MS = 2000;
const NAMES = ['message', 'freshet.gap', 'freshet.bye', 'freshet.binary'];

/*
 * Opens a stream and keeps it open. on.state(state, why) says connecting, open,
 * reconnecting or refused; on.event(type, data, id) gives what comes. An
 * EventSource cannot send headers of its own, and hears only the event names
 * that it knows: with headers, or with named for whatever name, it is fetch.
 * cursor: the id to go on after. Returns what close() ends.
 */
export function listen(url, { headers = {}, named = false, cursor = '' }, on) {
  const all = { ...headers, ...tokenHeaders() };
  if (named || Object.keys(all).length > 0) return new FetchSource(url, all, cursor, on);
  return openNative(cursor ? `${url}${url.includes('?') ? '&' : '?'}lastEventId=${cursor}` : url, on);
}

function openNative(url, on) {
  const source = new EventSource(url);
  source.onopen = () => on.state('open');
  source.onerror = async () => {
    if (source.readyState !== EventSource.CLOSED) on.state('reconnecting');
    else on.state('refused', await askWhy(url));
  };
  for (const name of NAMES)
    source.addEventListener(name, ({ type, data, lastEventId }) => on.event(type, data, lastEventId));
  return source;
}

// EventSource doesn't say why a stream was refused; the same request made by hand does.
async function askWhy(url) {
  const ask = new AbortController();
  try {
    const answer = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: ask.signal });
    return answer.ok ? '' : await problemOf(answer);
  } catch {
    return '';
  } finally {
    ask.abort();
  }
}

// WHATWG HTML, "Server-sent events", as far as a well-behaved gateway needs it.
class FetchSource {
  constructor(url, headers, cursor, on) {
    Object.assign(this, { url, headers, on, id: cursor, retry: RETRY_MS, ended: new AbortController() });
    this.run();
  }

  close() {
    this.ended.abort();
  }

  async run() {
    const { signal } = this.ended;
    while (!signal.aborted) {
      try {
        if (!(await this.read(signal))) return;
      } catch {
        // cut, or the gateway is away: both are answered by coming back
      }
      if (signal.aborted) return;
      this.on.state('reconnecting');
      await new Promise((resolve) => setTimeout(resolve, this.retry));
    }
  }

  // One response to its end. False: there is no use in asking again.
  async read(signal) {
    const cursor = this.id ? { 'last-event-id': this.id } : {};
    const headers = { accept: 'text/event-stream', ...this.headers, ...cursor };
    const answer = await fetch(this.url, { headers, signal, cache: 'no-store' });
    if (!answer.ok) {
      this.on.state('refused', await problemOf(answer));
      return false;
    }
    this.on.state('open');
    const block = { type: '', data: [], id: this.id };
    let rest = '';
    for await (const text of chunks(answer.body)) {
      const lines = (rest + text).split('\n'); // the gateway ends its lines with LF alone
      rest = lines.pop();
      for (const line of lines) this.take(line, block);
    }
    return true;
  }

  take(line, block) {
    if (line === '') {
      this.id = block.id;
      if (block.data.length > 0) this.on.event(block.type || 'message', block.data.join('\n'), this.id);
      block.type = '';
      block.data = [];
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (field === 'data') block.data.push(value);
    else if (field === 'event') block.type = value;
    else if (field === 'id') block.id = value;
    else if (field === 'retry') this.retry = Number(value) || this.retry;
  }
}

// Not every browser that runs all else lets a body be iterated.
async function* chunks(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
