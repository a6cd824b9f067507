// page.test.mjs - the console page of freshet --dev, used as a person would
// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { launchBrowser, openPage, watchConnections } from './browser.mjs';
import { sandbox, startDev, until } from './fixture.mjs';

// One gateway and one browser for the tests of this file; each has a page of its own. What a test does with the
// demo subjects no other minds.
async function setUp(t) {
  const dir = sandbox(t);
  const [gateway, browser] = await Promise.all([startDev(t, dir), launchBrowser(t)]);
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
async function visit({ browser, gateway }, options) {
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
  const answer = await page.goto(`https://localhost:${gateway.port}/`);
  return { page, complaints, seen, answer };
}

const text = (page, selector) => page.locator(selector).innerText();
const number = async (page, selector) => Number((await text(page, selector)).replaceAll(',', ''));
const reads = (page, selector, expected) =>
  until(
    async () => `${selector} to read ${expected}, not ${await text(page, selector)}`,
    async () => expected.test(await text(page, selector)),
  );
// The newest row with that subject and data, as { subject, data, id, streams }.
const row = (page, subject, data) =>
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
const rowOf = (page, subject, data, streams = 1) =>
  until(`a row ${subject} ${data ?? ''} on ${streams} streams`, async () =>
    (await row(page, subject, data)).find((found) => found.streams === streams),
  );

test('the page', { timeout: 120000 }, async (t) => {
  const world = await setUp(t);

  await t.test('shows the demo subjects as they arrive, without a complaint', async () => {
    const { page, complaints, seen, answer } = await visit(world);
    assert.match(answer.headers()['content-security-policy'], /default-src 'none'/);
    await rowOf(page, 'demo.clock');
    await until('the ticker', async () => (await text(page, '#events')).includes('demo.ticker.'));
    await reads(page, '#link-text', /^HTTP\/2 · connection \d+ · 1 of 100$/);
    const { id } = (await row(page, 'demo.clock'))[0];
    assert.match(id, /^[0-9A-Za-z]+-\d+$/);
    await until('the rate', async () => (await number(page, '#rate')) > 0);
    assert.deepEqual([...seen.protocols], ['h2']);
    await world.shot(page, 'light');
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test('publishes what is typed', async () => {
    const { page, complaints } = await visit(world);
    await reads(page, '#open', /^1$/);
    const payload = 'Grüße\n日本語 🌊 {"a": 1.50}';
    await page.getByLabel('Subject', { exact: true }).fill('demo.typed');
    await page.getByLabel('Payload').fill(payload);
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await rowOf(page, 'demo.typed', payload);
    await reads(page, '#publish-status', /^Accepted in/);
    assert.equal((await row(page, 'demo.typed')).length, 1);

    // JSON is shown as it was sent, not as it might be written
    await page.getByLabel('Payload').fill('{"price": 1.50}');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await rowOf(page, 'demo.typed', '{"price": 1.50}');
    assert.deepEqual(complaints, []);

    await page.getByLabel('Subject', { exact: true }).fill('other.typed');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await reads(page, '#publish-status', /^Not published: .*demo\.>/);
    await page.context().close();
  });

  await t.test('carries 98 streams on its one connection', async () => {
    const { page, complaints, seen } = await visit(world, { colorScheme: 'dark' });
    await reads(page, '#open', /^1$/);
    await page.getByRole('button', { name: 'Open 10 streams' }).click();
    await reads(page, '#open', /^11$/);
    await page.getByRole('button', { name: 'Open streams until there are 98' }).click();
    await reads(page, '#open', /^98$/);
    await reads(page, '#link-text', /98 of 100$/);
    await page.getByLabel('Subject', { exact: true }).fill('demo.fan');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await rowOf(page, 'demo.fan', 'Hello, stream', 98);
    assert.deepEqual({ streams: seen.count, connections: seen.connections.size }, { streams: 98, connections: 1 });
    assert.ok(await page.getByRole('button', { name: 'Open a stream' }).isDisabled());
    assert.equal(await page.locator('#streams tr').count(), 98);
    await world.shot(page, 'dark-98');

    await page.getByRole('button', { name: 'Close stream 98' }).click();
    await reads(page, '#open', /^97$/);
    await page.getByRole('button', { name: 'Close all' }).click();
    await reads(page, '#open', /^0$/);
    await reads(page, '#link-text', / 0 of 100$/);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test('takes a burst of a thousand and keeps a bounded list', async () => {
    const { page, complaints } = await visit(world);
    await reads(page, '#open', /^1$/);
    await page.getByRole('button', { name: 'Publish 1,000' }).click();
    await reads(page, '#publish-status', /^1,000 accepted in/);
    await rowOf(page, 'demo.hello', 'Hello, stream 1000');
    await until('all thousand', async () => (await number(page, '#total')) > 1000);
    assert.equal(await page.locator('#events tr').count(), 200);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test('stands still while paused, and starts afresh when cleared', async () => {
    const { page } = await visit(world);
    await reads(page, '#open', /^1$/);
    await page.getByRole('button', { name: 'Pause' }).click();
    const before = await text(page, '#events');
    await reads(page, '#pause', /^Go on \(\d+ new\)$/);
    assert.equal(await text(page, '#events'), before);
    await page.locator('#pause').click();
    await until('new rows', async () => (await text(page, '#events')) !== before);
    await page.locator('#pause').click();
    await page.getByRole('button', { name: 'Clear' }).click();
    assert.equal(await page.locator('#events tr').count(), 0);
    await page.context().close();
  });

  await t.test('says why a stream is refused', async () => {
    const { page } = await visit(world);
    await page.getByRole('button', { name: 'demo.>' }).click();
    await page.getByLabel('Another subject').fill('secret.>');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Open a stream' }).click();
    await reads(page, '#notice', /^Stream 2 was refused: .*secret\.>/);
    await page.context().close();
  });

  await t.test('shows code for what is chosen', async () => {
    const { page } = await visit(world);
    await page.getByRole('button', { name: 'demo.clock' }).click();
    await reads(page, '#code', /\/events\?subject=demo\.clock&subject=demo\.>"/);
    assert.equal((await text(page, '#code')).split('\n').length, 5);
    await page.getByRole('tab', { name: 'Browser' }).press('ArrowLeft');
    assert.equal(await page.getByRole('tab', { selected: true }).innerText(), 'curl');
    await page.getByLabel('Payload').fill("it's");
    await reads(page, '#code', /--data-raw 'it'\\''s'/);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy' }).click();
    await reads(page, '#copy', /^Copied$/);
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.locator('#code').textContent());
    await page.context().close();
  });

  await t.test('fits a phone, a tablet and a wide screen', async () => {
    const { page, complaints } = await visit(world);
    await until('an event', async () => (await page.locator('#events tr').count()) > 0);
    for (const [name, width] of Object.entries({ phone: 360, tablet: 820, wide: 1920 })) {
      await page.setViewportSize({ width, height: 800 });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
      await world.shot(page, name);
    }
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test('can be read and used by everyone', async () => {
    const { page } = await visit(world);
    await until('an event', async () => (await page.locator('#events tr').count()) > 0);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(findFaults), [], colorScheme);
    }

    const reached = [];
    await page.locator('body').focus();
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab');
      const name = await page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
      if (name === reached[0]) break;
      reached.push(name);
    }
    const wanted = [
      'Skip to the events',
      'demo.clock',
      'demo.>',
      'subject',
      'open-1',
      'publish-subject',
      'payload',
      'burst',
      'close-all',
      'pause',
      'clear',
      'copy',
      'tab-browser',
      'code-panel',
    ];
    assert.deepEqual(
      reached.filter((name) => wanted.includes(name)),
      wanted,
      'in reading order',
    );
    await page.context().close();
  });
});

// In the page: what has no name, what has too little contrast (WCAG 2.2, 4.1.2 and 1.4.3), and ids used twice.
function findFaults() {
  const faults = [];
  const visible = (element) => element.checkVisibility() && !element.closest('.hidden, .skip, [aria-hidden=true]');
  const named = 'button, input, textarea, summary, [role=region], [role=tabpanel], [role=img]';
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

test('the page finds its gateway again after a restart', { timeout: 60000 }, async (t) => {
  const world = await setUp(t);
  const { page } = await visit(world);
  await rowOf(page, 'demo.clock'); // without an event there would be no cursor to come back with
  await world.gateway.stop('SIGKILL');
  await reads(page, '#link-text', /^gateway away/);
  await startDev(t, world.dir, world.gateway.port);
  await reads(page, '#notice', /events may be missing/);
  await until('a row for the gap', async () => (await row(page, 'freshet.gap unknown-id')).length === 1);
  await reads(page, '#gaps', /^1$/);
  await reads(page, '#link-text', /1 of 100$/);
  await world.shot(page, 'gap');
});
