// metrics.js - reads the Prometheus text of /metrics, and what lies between two readings
// SPDX-License-Identifier: MIT

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

// sums: by name, over all labels. buckets: by name without "_bucket", cumulative counts by upper bound.
export function parse(text) {
  const sums = new Map();
  const buckets = new Map();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (!name) continue;
    const bound = name.endsWith('_bucket') && /(?:^|,)le="([^"]*)"/.exec(labels)?.[1];
    if (bound) add(bucketsOf(buckets, name.slice(0, -'_bucket'.length)), bound, Number(value));
    else add(sums, name, Number(value));
  }
  return { sums, buckets };
}

function add(map, key, value) {
  map.set(key, (map.get(key) ?? 0) + value);
}

function bucketsOf(buckets, name) {
  if (!buckets.has(name)) buckets.set(name, new Map());
  return buckets.get(name);
}

// How much a counter has grown a second. null: unknown, as after a restart, when it starts anew.
export function perSecond(name, before, after) {
  const [from, to] = [before.sums.get(name), after.sums.get(name)];
  const elapsed = (after.time - before.time) / 1000;
  return from === undefined || to === undefined || to < from || elapsed <= 0 ? null : (to - from) / elapsed;
}

const bound = (text) => (text === '+Inf' ? Infinity : Number(text));

// Of what was observed in between, the value that a share q lies below, as far as the buckets tell; null: nothing was.
export function quantile(name, q, before, after) {
  const then = before.buckets.get(name) ?? new Map();
  const now = [...(after.buckets.get(name) ?? [])].map(([le, n]) => [bound(le), n - (then.get(le) ?? 0)]);
  now.sort(([a], [b]) => a - b);
  const total = now.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const rank = q * total;
  let [below, passed] = [0, 0];
  for (const [le, n] of now) {
    if (n >= rank && n > passed && le === Infinity) return below; // at least that
    if (n >= rank && n > passed) return below + ((le - below) * (rank - passed)) / (n - passed);
    [below, passed] = [le, n];
  }
  return below;
}
