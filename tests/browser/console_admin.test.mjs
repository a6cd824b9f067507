// console_admin.test.mjs - the console on the admin listener: its routes, its token, and HTTP/1.1
// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCertificate, startBroker, startGateway, until } from './fixture.mjs';
import { findFaults, reads, rowOf, rowsOf, setUp, tileReads, visit } from './visit.mjs';

const TOKEN = 's3cret-0123456789abcdef';
const routes = `
  - {path: "/orders/{id}", subjects: ["orders.{id}.>"], event: subject}
  - {path: /plain, allow: ["orders.>", "news.>"]}
  - {path: /closed, subjects: [closed], auth: {request: nobody.there}}
  - {path: "/orders/{id}/notes", subjects: ["orders.{id}.note"], publish: true}
  - {path: /tell, allow: ["news.>"], publish: true}
  - {path: /guarded, subjects: [closed], publish: true, auth: {request: nobody.there}}
`;

const startWith = (more) => async (t, dir) => {
  const broker = await startBroker(t, dir);
  const certificate = makeCertificate(dir);
  return startGateway(t, dir, { broker, certificate, routes, admin: `admin: {address: "127.0.0.1:0"${more}}` });
};

const adminPage = (world) => visit(world, {}, `http://127.0.0.1:${world.gateway.admin}/`);
const openStream = (page) => page.getByRole('button', { name: 'Open a stream' }).click();

async function publishNote(page, id, payload) {
  await page.getByLabel('Route that takes it').selectOption('/orders/{id}/notes');
  await page.locator('#publish-parameters').getByLabel('{id}').fill(id);
  await page.getByLabel('Payload').fill(payload);
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
}

test('the console on the admin listener', { timeout: 120000 }, async (t) => {
  const world = await setUp(t, startWith(', console: true'));

  await t.test('opens the configured routes, and publishes to those that take it', async () => {
    const { page, complaints } = await adminPage(world);
    await reads(page, '#empty', /^No stream is open yet\.$/);
    await page.getByLabel('Route', { exact: true }).selectOption('/plain');
    await openStream(page);
    await reads(page, '#open', /^1$/);
    await page.getByLabel('Route', { exact: true }).selectOption('/orders/{id}');
    await page.locator('#parameters').getByLabel('{id}').fill('7');
    await openStream(page);
    await reads(page, '#open', /^2$/);
    await tileReads(page, 'Streams', /^2$/);
    await publishNote(page, '7', 'fragile');
    await reads(page, '#publish-status', /^Accepted in \d+ ms\.$/);
    // one names its subjects in its event names, which an EventSource would not hear; the other doesn't
    await rowOf(page, 'orders.7.note', 'fragile');
    await rowOf(page, 'orders.>', 'fragile');
    await page.getByLabel('Route that takes it').selectOption('/tell');
    await page.getByLabel('Subject', { exact: true }).fill('news.today');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await reads(page, '#publish-status', /No stream open here listens/);
    await until('both channels', async () => (await rowsOf(page, '#channels')).length === 2);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(findFaults), [], colorScheme);
    }
    await world.shot(page, 'admin');
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test('drops its streams and takes them up again', async () => {
    const { page } = await adminPage(world);
    await page.getByLabel('Route', { exact: true }).selectOption('/plain');
    await openStream(page);
    await page.getByLabel('Route', { exact: true }).selectOption('/orders/{id}');
    await page.locator('#parameters').getByLabel('{id}').fill('8');
    await openStream(page);
    await reads(page, '#open', /^2$/);
    await publishNote(page, '8', 'before');
    await rowOf(page, 'orders.8.note', 'before');
    await rowOf(page, 'orders.>', 'before');
    await page.getByRole('button', { name: 'Cut the streams' }).click();
    await reads(page, '#open', /^0$/);
    await publishNote(page, '8', 'meanwhile');
    await reads(page, '#cut-verdict', /^Nothing is missing/);
    await rowOf(page, 'orders.8.note', 'meanwhile');
    await rowOf(page, 'orders.>', 'meanwhile');
    await page.context().close();
  });

  await t.test('lets each route decide who reads it', async () => {
    const { page } = await adminPage(world);
    await page.getByLabel('Route', { exact: true }).selectOption('/closed');
    await page.getByLabel('Token for this route').fill('whatever');
    await openStream(page);
    await reads(page, '#notice', /^Stream 1 was refused: .+/);
    await page.getByLabel('Route that takes it').selectOption('/guarded');
    await page.getByLabel('Token of who publishes').fill('whatever');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await reads(page, '#publish-status', /^Not published: .+/);
    await until('its state', async () => (await rowsOf(page, '#streams'))[0]?.[1] === 'refused');
    await page.context().close();
  });
});

test('the console asks for the admin token, and keeps it out of addresses', { timeout: 60000 }, async (t) => {
  const world = await setUp(t, startWith(`, token: "${TOKEN}", console: true`));
  const { page } = await adminPage(world);
  const addresses = [];
  page.on('request', (request) => addresses.push(request.url()));
  await page.getByLabel(/^Token, as admin\.token/).fill('not this one');
  await page.keyboard.press('Enter');
  await reads(page, '#token-problem', /^That was not the token\.$/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
  await page.keyboard.type(TOKEN);
  await page.keyboard.press('Enter');
  await reads(page, '#health-text', /NATS connected/);
  await page.getByLabel('Route', { exact: true }).selectOption('/plain');
  await openStream(page);
  await reads(page, '#open', /^1$/);
  await publishNote(page, '1', 'guarded');
  await rowOf(page, 'orders.>', 'guarded');
  await page.getByRole('button', { name: 'Cut the streams' }).click();
  await reads(page, '#cut-verdict', /^Nothing is missing/);
  // a reload keeps the token, "Forget the token" does not
  await page.reload();
  await reads(page, '#health-text', /NATS connected/);
  await page.getByRole('button', { name: 'Forget the token' }).click();
  await page.getByLabel(/^Token, as admin\.token/).waitFor();
  assert.ok(addresses.length > 10);
  assert.deepEqual(
    addresses.filter((address) => address.includes('s3cret')),
    [],
  );
});
