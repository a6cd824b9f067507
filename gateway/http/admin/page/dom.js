// dom.js - small words for the page's elements and figures
// SPDX-License-Identifier: MIT

export const $ = (id) => document.getElementById(id);
export const number = new Intl.NumberFormat('en');
export const count = (n, word) => `${number.format(n)} ${word}${n === 1 ? '' : 's'}`;

export function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export function button(text, className, label) {
  const made = element('button', className, text);
  made.type = 'button';
  if (label) made.setAttribute('aria-label', label);
  return made;
}

// Most of what is shown again hasn't changed, and to write it anyway would cost a layout.
export function put(node, key, value) {
  if (node[key] !== value) node[key] = value;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(n) {
  const step = n < 1024 ? 0 : Math.min(Math.floor(Math.log2(n) / 10), UNITS.length - 1);
  const scaled = n / 1024 ** step;
  return `${scaled < 10 && step > 0 ? scaled.toFixed(1) : Math.round(scaled)} ${UNITS[step]}`;
}

// At most three digits that say something, and a letter where there are many more.
export function rate(n) {
  if (n >= 1e6) return `${(n / 1e6).toFixed(n < 1e7 ? 2 : 1)} M`;
  if (n >= 1e4) return `${(n / 1e3).toFixed(n < 1e5 ? 1 : 0)} k`;
  return n > 0 && n < 10 && n !== Math.round(n) ? n.toFixed(1) : number.format(Math.round(n));
}

export function seconds(s) {
  if (s >= 1) return `${s.toFixed(s < 10 ? 2 : 1)} s`;
  if (s >= 0.001) return `${(s * 1e3).toFixed(s < 0.01 ? 2 : s < 0.1 ? 1 : 0)} ms`;
  return `${Math.round(s * 1e6)} µs`;
}

export function duration(s) {
  for (const [unit, size] of Object.entries({ d: 86400, h: 3600, min: 60 }))
    if (s >= size) return `${Math.floor(s / size)} ${unit}`;
  return `${Math.floor(s)} s`;
}
