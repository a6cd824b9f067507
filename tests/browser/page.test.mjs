// page.test.mjs - the console page of freshet --dev, used as a person would
// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDev, until } from './fixture.mjs';
import { findFaults, number, reads, row, rowOf, setUp, text, visit } from './visit.mjs';

test('the page', { timeout: 200000 }, async (t) => {
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
    await reads(page, '#publish-status', /^1,000 accepted in/, 4);
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
    for (let i = 0; i < 50; i++) {
      await page.keyboard.press('Tab');
      const name = await page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
      if (name === reached[0]) break;
      reached.push(name);
    }
    const wanted = [
      'Skip to the events',
      'route',
      'demo.clock',
      'demo.>',
      'subject',
      'since',
      'open-1',
      'publish-subject',
      'payload',
      'burst',
      'cut',
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
