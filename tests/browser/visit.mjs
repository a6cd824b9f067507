// visit.mjs - the console page in a browser, and what a person would read there
// SPDX-License-Identifier: MIT
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launchBrowser, openPage, watchConnections } from './browser.mjs';
import { sandbox, startDev, until } from './fixture.mjs';

// One gateway and one browser for the tests of a file; each test has a page of its own, and none depends on the demo
// messages of another.
export async function setUp(t, start = startDev) {
  const dir = sandbox(t);
  const [gateway, browser] = await Promise.all([start(t, dir), launchBrowser(t)]);
  const shots = process.env.FRESHET_SCREENSHOTS ?? dir;
  mkdirSync(shots, { recursive: true });
  return {
    dir,
    gateway,
    browser,
    shot: (page, name) => page.screenshot({ path: join(shots, `${name}.png`), fullPage: true }),
  };
}

// A page at /, and everything about it that a console would show.
export async function visit({ browser, gateway }, options, url = `https://localhost:${gateway.port}/`) {
  const page = await openPage(browser, { viewport: { width: 1280, height: 900 }, ...options });
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ blockedURI }) => console.error(`policy: ${blockedURI}`));
  });
  const seen = await watchConnections(page, '/dev/events');
  const answer = await page.goto(url);
  return { page, complaints, seen, answer };
}

export const text = (page, selector) => page.locator(selector).innerText();
export const number = async (page, selector) => Number((await text(page, selector)).replaceAll(',', ''));
export const reads = (page, selector, expected, times = 1) =>
  until(
    async () => `${selector} to read ${expected}, not ${await text(page, selector)}`,
    async () => expected.test(await text(page, selector)),
    times,
  );
// The newest row with that subject and data, as { subject, data, id, streams }.
export const row = (page, subject, data) =>
  page.evaluate(
    ([subject, data]) => {
      const rows = [...document.querySelectorAll('#events tr')].map(({ cells }) =>
        [...cells].map((cell) => cell.textContent),
      );
      const found = rows.filter(([, s, d]) => s === subject && (data === undefined || d === data));
      return found.map(([, subject, data, id, streams]) => ({ subject, data, id, streams: Number(streams.slice(2)) }));
    },
    [subject, data],
  );
export const rowOf = (page, subject, data, streams = 1) =>
  until(`a row ${subject} ${data ?? ''} on ${streams} streams`, async () =>
    (await row(page, subject, data)).find((found) => found.streams === streams),
  );

// What a tile of the gateway's figures shows, by its name.
export const tile = (page, name) =>
  page.locator('.tile', { has: page.getByText(name, { exact: true }) }).locator('.value').innerText();
export const tileReads = (page, name, expected) =>
  until(
    async () => `${name} to be ${expected}, not ${await tile(page, name)}`,
    async () => expected.test(await tile(page, name)),
  );
// The cells of a table's rows, as texts.
export const rowsOf = (page, selector) =>
  page.locator(`${selector} tr`).evaluateAll((rows) => rows.map(({ cells }) => [...cells].map((c) => c.textContent)));

// In the page: what has no name, what has too little contrast (WCAG 2.2, 4.1.2 and 1.4.3), and ids used twice.
export function findFaults() {
  const faults = [];
  const visible = (element) => element.checkVisibility() && !element.closest('.hidden, .skip, [aria-hidden=true]');
  const named = 'button, input, select, textarea, summary, [role=region], [role=tabpanel], [role=img]';
  for (const element of document.querySelectorAll(named)) {
    const labels = [...(element.labels ?? [])].map((label) => label.textContent).join('');
    const by = document.getElementById(element.getAttribute('aria-labelledby'))?.textContent ?? '';
    const name = `${labels}${by}${element.getAttribute('aria-label') ?? ''}${element.textContent}`;
    if (!name.trim()) faults.push(`no name: ${element.outerHTML}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => faults.push(`twice: #${id}`));
  if (!document.documentElement.lang || !document.title) faults.push('no language or title');

  const colour = (value) => value.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = colour(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !visible(element) || element.disabled) continue;
    const pair = [colour(getComputedStyle(element).color), ground(element)].map(luminance);
    const [light, dark] = pair.sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${element.outerHTML}`);
  }
  return faults;
}
