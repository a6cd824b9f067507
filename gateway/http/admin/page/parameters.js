// parameters.js - one input for each {parameter} of a route's path
// SPDX-License-Identifier: MIT
import { element } from './dom.js';
import { parametersOf } from './gateway.js';

function inputFor(id) {
  const input = element('input');
  Object.assign(input, { id, maxLength: 256, autocomplete: 'off', autocapitalize: 'off', spellcheck: false });
  return input;
}

// Fills host, and returns a function that reads what stands there: { name: value }, or null where one is empty.
export function buildParameters(host, path, onInput) {
  host.replaceChildren();
  const inputs = parametersOf(path).map((name) => {
    const input = inputFor(`${host.id}-${name}`);
    const label = element('label', '', `{${name}}`);
    label.htmlFor = input.id;
    input.oninput = onInput;
    host.append(label, input);
    return [name, input];
  });
  return () => {
    const values = inputs.map(([name, input]) => [name, input.value.trim()]);
    return values.every(([, value]) => value) ? Object.fromEntries(values) : null;
  };
}

export function fillSelect(select, texts) {
  select.replaceChildren(...texts.map((text) => new Option(text)));
}
