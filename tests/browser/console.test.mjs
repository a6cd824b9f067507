// console.test.mjs - the console's live view of the gateway, and streams that are cut and come back
// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { startDev, until } from './fixture.mjs';
import { number, reads, row, rowsOf, setUp, text, tile, tileReads, visit } from './visit.mjs';

// A client that opens a stream and then takes next to nothing.
async function readSlowly(t, gateway) {
  const client = connect(`https://localhost:${gateway.port}`, {
    rejectUnauthorized: false,
    settings: { initialWindowSize: 1000 },
  });
  client.on('error', () => {});
  t.after(() => client.destroy());
  const stream = client.request({ ':path': '/dev/events?subject=demo.%3E' });
  stream.on('error', () => {});
  await new Promise((resolve) => stream.once('response', resolve));
  return client;
}

const lineLength = (page) =>
  page.evaluate(() => document.querySelector('.tile .line').getAttribute('d').split('L').length);

const channelOf = async (page, pattern) => (await rowsOf(page, '#channels')).find(([name]) => name === pattern);

test('the console', { timeout: 120000 }, async (t) => {
  const world = await setUp(t);

  await t.test('shows what the gateway does, as it does it', async () => {
    const { page, complaints } = await visit(world);
    await tileReads(page, 'Events sent a second', /^[1-9]/);
    await tileReads(page, 'Streams', /^1$/);
    await tileReads(page, 'Connections', /^[1-9]/);
    await tileReads(page, 'Gaps a second', /^0$/);
    await tileReads(page, 'Slow readers', /^0$/);
    await tileReads(page, 'Delivery, 99 % within', / (µs|ms|s)$/);
    await reads(page, '#health-text', /^up .* · \d+ channels? · NATS connected$/);
    await page.getByRole('button', { name: 'Open 10 streams' }).click();
    await tileReads(page, 'Streams', /^11$/);
    const before = await lineLength(page);
    await until('the line to grow', async () => (await lineLength(page)) > before);
    await until('the channel', async () => (await channelOf(page, 'demo.>'))?.[2] === '11');
    const [, history, , kept, bytes, newest] = await channelOf(page, 'demo.>');
    assert.equal(history, 'memory');
    assert.ok(Number(kept.replaceAll(',', '')) > 0);
    assert.match(bytes, /^[\d.]+ (B|KiB|MiB)$/);
    assert.match(newest, /^[0-9a-f]+-\d+$/);
    await reads(page, '#slow-absent', /^No stream is behind\.$/);

    // under the pointer, the figures of that moment
    await page.locator('.chart').first().hover({ position: { x: 2, y: 20 } });
    await reads(page, '.tile .beside >> nth=0', / ago$/);
    await page.mouse.move(0, 0);
    await until('the present again', async () => !/ ago$/.test(await text(page, '.tile .beside >> nth=0')));
    await world.shot(page, 'console');
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test('names who is slow', async () => {
    const { page } = await visit(world);
    const client = await readSlowly(t, world.gateway);
    await tileReads(page, 'Slow readers', /^[1-9]/);
    const [[route, peer, subjects]] = await until('a row', async () => {
      const rows = await rowsOf(page, '#slow');
      return rows.length > 0 && rows;
    });
    assert.deepEqual([route, subjects], ['/dev/events', 'demo.>']);
    assert.match(peer, /127\.0\.0\.1|::1/);
    client.destroy();
    await tileReads(page, 'Slow readers', /^0$/);
    await page.context().close();
  });

  await t.test('says that figures are not available where the gateway has none', async () => {
    const { page } = await visit(world);
    await page.route('**/dev/streams*', (route) => route.fulfill({ status: 404, body: '' }));
    await page.route('**/dev/metrics', (route) => route.fulfill({ status: 404, body: '' }));
    await page.reload();
    await reads(page, '#channels-absent', /^Not available/);
    await reads(page, '#health-text', /^Not available/);
    await reads(page, '#open', /^1$/);
    await page.context().close();
  });

  await t.test('starts a stream where it is told to', async () => {
    const { page, complaints } = await visit(world);
    await reads(page, '#open', /^1$/);
    await page.getByRole('button', { name: 'Close all' }).click();
    await page.getByRole('button', { name: 'Clear' }).click();
    for (const payload of ['one', 'two', 'three']) {
      await page.getByLabel('Subject', { exact: true }).fill('demo.durable.since');
      await page.getByLabel('Payload').fill(payload);
      await page.getByRole('button', { name: 'Publish', exact: true }).click();
      await reads(page, '#publish-status', /^Accepted in .*No stream open/);
      await page.getByLabel('Payload').fill('');
      await page.evaluate(() => (document.getElementById('publish-status').textContent = ''));
    }
    await page.getByLabel('Route', { exact: true }).selectOption('/durable/{name}');
    assert.ok(await page.getByRole('button', { name: 'Open a stream' }).isDisabled());
    await page.getByLabel('{name}').fill('since');
    const payloads = async () => (await rowsOf(page, '#events')).map(([, , data]) => data).reverse();
    for (const [since, expected] of Object.entries({
      now: [],
      last: ['three'],
      earliest: ['one', 'two', 'three'],
    })) {
      await page.getByLabel('Since').selectOption(since);
      await page.getByRole('button', { name: 'Open a stream' }).click();
      await reads(page, '#open', /^1$/);
      await until(`${since}: ${expected}`, async () => (await payloads()).join() === expected.join());
      await page.getByRole('button', { name: 'Close all' }).click();
      await page.getByRole('button', { name: 'Clear' }).click();
    }
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test('cuts its connection, and shows that nothing is missing', async () => {
    const { page, complaints } = await visit(world);
    await reads(page, '#link-text', /connection \d+/); // from here on the buttons do something
    await page.getByRole('button', { name: 'Open 10 streams' }).click();
    await page.getByRole('button', { name: 'demo.clock' }).click();
    await page.getByRole('button', { name: 'demo.>' }).click();
    await page.getByRole('button', { name: 'Open a stream' }).click();
    await reads(page, '#open', /^12$/);
    await until('an id for each', async () => (await rowsOf(page, '#streams')).every(([, , , , id]) => id !== '–'));
    const [, before] = /connection (\d+)/.exec(await text(page, '#link-text'));
    await page.getByRole('button', { name: 'Cut the connection' }).focus();
    await page.keyboard.press('Enter');
    await reads(page, '#cut-verdict', /^Nothing is missing, and nothing came twice\.$/);
    const facts = await page.locator('#cut-facts .value').allInnerTexts();
    assert.match(facts[0], /^[\d.]+ (ms|s)$/);
    assert.deepEqual(facts.slice(1), ['12 of 12', '115 of 115', '0', '0']);
    await reads(page, '#link-text', /connection \d+ · 12 of 100$/);
    const [, after] = /connection (\d+)/.exec(await text(page, '#link-text'));
    assert.notEqual(after, before);
    // the table follows the verdict by a moment
    let rows;
    await until(
      () => `12 rows that say open and 1 resume: ${JSON.stringify(rows)}`,
      async () => {
        rows = await rowsOf(page, '#streams');
        return rows.length === 12 && rows.every(([, state, , , , told]) => state === 'open' && told === '1 resume');
      },
    );
    assert.equal(await page.evaluate(() => document.activeElement.id), 'cut');
    assert.equal((await row(page, 'freshet.gap unknown-id')).length, 0);
    assert.equal(await number(page, '#gaps'), 0);
    await world.shot(page, 'cut');
    // it reports the cut itself
    assert.deepEqual(
      complaints.filter((text) => !/ERR_(CONNECTION|HTTP2|EMPTY|INCOMPLETE|NETWORK)/.test(text)),
      [],
    );
    await page.context().close();
  });

  await t.test('is cut by no other page', async () => {
    const { page } = await visit(world);
    await reads(page, '#open', /^1$/);
    await until('an open stream', async () => (await rowsOf(page, '#streams'))[0]?.[1] === 'open');
    const url = `https://localhost:${world.gateway.port}/dev/cut`;
    const ask = (method, headers = {}) => page.request.fetch(url, { method, headers });
    const got = await ask('GET');
    assert.deepEqual([got.status(), got.headers().allow], [405, 'POST']);
    for (const origin of ['https://other.example', 'null'])
      assert.equal((await ask('POST', { origin })).status(), 403, origin);
    const [[, state, , , , told]] = await rowsOf(page, '#streams');
    assert.deepEqual([state, told], ['open', '–']);
    await page.context().close();
  });
});

test('the console reports a gateway that says goodbye', { timeout: 60000 }, async (t) => {
  const world = await setUp(t);
  const { page } = await visit(world);
  await reads(page, '#open', /^1$/);
  await world.gateway.stop('SIGTERM');
  await reads(page, '#byes', /^1$/);
  await reads(page, '#notice', /sends its streams elsewhere/);
  await reads(page, '#link-text', /^gateway away/);
  await reads(page, '#health-text', /^Not available/);
  await until('a stream that waits', async () => (await rowsOf(page, '#streams'))[0]?.[1] === 'reconnecting');
  await startDev(t, world.dir, world.gateway.port);
  await until('a stream that is back', async () => (await rowsOf(page, '#streams'))[0]?.[1] === 'open');
  await tileReads(page, 'Streams', /^1$/);
  assert.match(await tile(page, 'Connections'), /^[1-9]/);
});
