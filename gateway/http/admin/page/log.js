// log.js - the bounded table of events, newest first
// SPDX-License-Identifier: MIT
import { element } from './dom.js';

const ROWS_MAX = 200;
// The streams of one page meet the same gap or end at almost the same moment: one row tells of all of them.
const SAME_NOTICE_MS = 2000;
const DATA_MAX = 2000;

const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

function cell(row, className, text) {
  const made = element('td', className, text);
  row.append(made);
  return made;
}

function build(entry) {
  const tr = element('tr', entry.kind);
  const ms = String(entry.time % 1000).padStart(3, '0');
  cell(tr, 'time', `${clock.format(entry.time)}.${ms}`);
  const subject = cell(tr, 'subject', '');
  for (const token of entry.subject.split(/(?<=\.)/)) subject.append(token, element('wbr')); // breaks after dots
  const { length } = entry.data;
  const data = length > DATA_MAX ? `${entry.data.slice(0, DATA_MAX)} … (${length} characters)` : entry.data;
  if (data) cell(tr, 'data', data);
  else cell(tr, 'data none', 'empty');
  const id = cell(tr, 'id', '');
  const dash = entry.id.lastIndexOf('-') + 1;
  id.append(entry.id.slice(0, dash), element('b', '', entry.id.slice(dash)));
  entry.count = cell(tr, 'num count', `× ${entry.streams}`);
  entry.row = tr;
  return tr;
}

export class EventLog {
  constructor(body) {
    this.body = body;
    this.clear();
    this.paused = false;
  }

  clear() {
    this.entries = []; // oldest first
    this.byKey = new Map();
    this.grown = new Set(); // rows whose count of streams has changed
    this.unseen = 0;
    this.body.replaceChildren();
  }

  // One message reaches every stream that wants it under the same id: it is one row. True when this is a new one.
  add(key, read) {
    const known = key && this.byKey.get(key);
    if (known) {
      known.streams++;
      this.grown.add(known);
      return false;
    }
    this.push({ key, time: Date.now(), streams: 1, kind: '', ...read() });
    return true;
  }

  addNotice(kind, subject, data) {
    const key = `${kind} ${subject} ${data}`;
    const known = this.byKey.get(key);
    if (known && Date.now() - known.time > SAME_NOTICE_MS) this.byKey.delete(key);
    return this.add(key, () => ({ kind, subject, data, id: '' }));
  }

  push(entry) {
    this.entries.push(entry);
    if (entry.key) this.byKey.set(entry.key, entry);
    this.unseen++;
    // the rows stay until render(): while paused they stand still
    if (this.entries.length > 2 * ROWS_MAX) {
      for (const old of this.entries.splice(0, ROWS_MAX))
        if (this.byKey.get(old.key) === old) this.byKey.delete(old.key);
    }
  }

  render() {
    if (this.paused) return;
    for (const entry of this.grown) if (entry.row) entry.count.textContent = `× ${entry.streams}`;
    this.grown.clear();
    if (this.unseen === 0) return;
    const fresh = this.entries.slice(-Math.min(this.unseen, ROWS_MAX));
    this.unseen = 0;
    this.body.prepend(...fresh.reverse().map(build));
    while (this.body.rows.length > ROWS_MAX) this.body.lastElementChild.remove();
  }
}
