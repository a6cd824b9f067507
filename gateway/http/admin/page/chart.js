// chart.js - one line chart over the last minutes, as an SVG
// SPDX-License-Identifier: MIT
import { duration, element, put } from './dom.js';

const WIDTH = 300;
const HEIGHT = 100;
// Readings further apart than this have nothing between them: the page slept, or the gateway was away.
const APART_MS = 5000;

function svg(tag, attributes = {}) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// The next 1, 2 or 5 times a power of ten: a scale that stands still while the line moves.
function niceTop(value, least) {
  const top = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(top));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= top * 0.999);
}

// Runs of readings without a hole between them, as [x, y] of the drawing.
function runsOf(samples, key, { now, span, top }) {
  const runs = [];
  let last = -Infinity;
  for (const { time, [key]: value } of samples) {
    if (value === null || value === undefined) continue;
    if (time - last > APART_MS) runs.push([]);
    const x = WIDTH * (1 - (now - time) / span);
    runs.at(-1).push([x.toFixed(1), (HEIGHT - (HEIGHT * Math.min(value, top)) / top).toFixed(1)]);
    last = time;
  }
  return runs;
}

const lineOf = (run) => `M${run.map((point) => point.join(' ')).join('L')}`;
const areaOf = (run) => `${lineOf(run)}L${run.at(-1)[0]} ${HEIGHT}L${run[0][0]} ${HEIGHT}Z`;

// keys: what of a sample is drawn, the most important first. least: the smallest full scale. format: for the scale.
export class Chart {
  constructor({ label, keys, least, format, onHover }) {
    Object.assign(this, { label, keys, least, format });
    this.host = element('div', 'chart');
    this.drawing = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
    this.drawing.setAttribute('aria-label', label);
    this.drawing.append(
      ...[0, HEIGHT / 2].map((y) => svg('path', { class: 'grid', d: `M0 ${y}H${WIDTH}` })),
      svg('path', { class: 'base', d: `M0 ${HEIGHT}H${WIDTH}` }),
    );
    this.area = svg('path', { class: 'area' });
    this.lines = keys.map((_, i) => svg('path', { class: `line s${i}` }));
    this.cursor = svg('path', { class: 'cursor' });
    this.drawing.append(this.area, ...this.lines.toReversed(), this.cursor);
    this.scale = element('span', 'scale');
    this.start = element('span', 'start');
    for (const node of [this.scale, this.start]) node.setAttribute('aria-hidden', 'true');
    this.host.append(this.drawing, this.scale, this.start);
    this.host.onpointermove = ({ clientX }) => {
      const { left, width } = this.host.getBoundingClientRect();
      onHover(1 - (clientX - left) / width);
    };
    this.host.onpointerleave = () => onHover(null);
  }

  // Samples of the time from span, in ms, before now.
  draw(samples, { now, span }, said) {
    const values = samples.flatMap((sample) => this.keys.map((key) => sample[key] ?? 0));
    const top = niceTop(Math.max(0, ...values), this.least);
    this.lines.forEach((line, i) => {
      const runs = runsOf(samples, this.keys[i], { now, span, top });
      line.setAttribute('d', runs.map(lineOf).join(''));
      if (i === 0) this.area.setAttribute('d', runs.map(areaOf).join(''));
    });
    put(this.scale, 'textContent', this.format(top));
    put(this.start, 'textContent', `${duration(span / 1000)} ago`);
    this.drawing.setAttribute('aria-label', `${this.label} over the last ${duration(span / 1000)}, now ${said}`);
  }

  // share: how far from the right the pointer is, of the width; null: nowhere.
  point(share) {
    this.cursor.setAttribute('d', share === null ? '' : `M${(WIDTH * (1 - share)).toFixed(1)} 0V${HEIGHT}`);
  }
}
