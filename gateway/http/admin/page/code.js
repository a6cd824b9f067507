// code.js - the chosen stream and message, as code to take along
// SPDX-License-Identifier: MIT
import { $, element } from './dom.js';
import { publishTarget } from './publish.js';
import { chosen, wanted } from './subscribe.js';

const quote = (s) => `'${s.replaceAll("'", "'\\''")}'`; // for a shell

let info = { dev: true, nats: null };
// Beside the admin listener it is some public one that others will use.
const origin = () => (info.dev ? location.origin : 'https://GATEWAY');
const server = () => info.nats ?? 'nats://127.0.0.1:4222';
const insecure = () => (info.dev ? 'k' : '');
// In development /dev/events is this page's own; /events is what others would read.
const streamUrl = () => `${origin()}${wanted().url.replace(/^\/dev\/events/, '/events')}`;

const examples = {
  browser: () => [
    `const url = "${streamUrl().replaceAll('%3E', '>')}";`,
    'const stream = new EventSource(url);',
    'stream.onmessage = (e) => console.log(e.lastEventId, e.data);',
    'stream.onerror = () => console.log("coming back");',
    'stream.addEventListener("freshet.gap", (e) => console.warn(e.data));',
  ],
  nats: () => [
    '# publish, with any NATS client',
    `nats --server ${server()} pub ${quote(publishTarget()?.subject ?? chosen()[0])} ${quote($('payload').value)}`,
    '',
    '# the same subjects, seen from a backend',
    ...chosen().map((subject) => `nats --server ${server()} sub ${quote(subject)}`),
  ],
  curl: () => [
    '# watch',
    `curl -${insecure()}N ${quote(streamUrl())}`,
    ...(publishTarget()
      ? [
          '',
          '# publish',
          `curl ${info.dev ? '-k ' : ''}--data-raw ${quote($('payload').value)} \\`,
          `  ${quote(`${origin()}${publishTarget().url}`)}`,
        ]
      : []),
  ],
};
const tabs = Object.keys(examples).map((name) => $(`tab-${name}`));
let example = 'browser';

export function showCode() {
  const text = wanted() ? examples[example]().join('\n') : '# choose a subject';
  if (text === $('code').textContent) return;
  const parts = text.split(/("[^"\n]*"|'(?:[^']|'\\'')*'|^#.*$)/m);
  $('code').replaceChildren(
    ...parts.map((part, i) => (i % 2 ? element('span', part[0] === '#' ? 'c' : 's', part) : part)),
  );
}

function chooseTab(tab) {
  for (const other of tabs) {
    other.setAttribute('aria-selected', other === tab);
    other.tabIndex = other === tab ? 0 : -1;
  }
  $('code-panel').setAttribute('aria-labelledby', tab.id);
  example = tab.id.slice('tab-'.length);
  showCode();
}

async function copy() {
  try {
    await navigator.clipboard.writeText($('code').textContent);
    $('copy').textContent = 'Copied';
    setTimeout(() => ($('copy').textContent = 'Copy'), 1500);
  } catch {
    getSelection().selectAllChildren($('code')); // no permission: ready for the user's own copy
  }
}

export function buildCode(told) {
  info = told;
  for (const tab of tabs) {
    tab.onclick = () => chooseTab(tab);
    tab.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
      chooseTab(next);
      next.focus();
    };
  }
  $('copy').onclick = copy;
}
