// firefox.test.mjs - the console in the other browser: events arrive, figures move, a cut loses nothing
// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasFirefox, launchFirefox } from './firefox.mjs';
import { sandbox, startDev, until } from './fixture.mjs';

const skip = hasFirefox ? false : 'there is no firefox-esr';

test('the console in Firefox', { skip, timeout: 120000 }, async (t) => {
  const dir = sandbox(t);
  const [gateway, page] = await Promise.all([startDev(t, dir), launchFirefox(t, dir)]);
  const shots = process.env.FRESHET_SCREENSHOTS ?? dir;
  mkdirSync(shots, { recursive: true });
  const text = (selector) => page.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`);
  const reads = (selector, expected) =>
    until(
      async () => `${selector} to read ${expected}, not ${await text(selector)}`,
      async () => expected.test(await text(selector)),
    );
  const click = (selector) => page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);

  await page.resize(1400, 900);
  await page.goto(`https://localhost:${gateway.port}/`);
  await reads('#link-text', /^HTTP\/2 · connection \d+ · 1 of 100$/);
  await click('#open-10');
  await reads('#open', /^11$/);
  await reads('#events', /demo\.clock/);
  await reads('.tile .value', /^[1-9]/);
  await reads('#channels', /demo\.>/);
  await reads('#health-text', /NATS connected/);
  await click('#publish-form .primary');
  await reads('#publish-status', /^Accepted in/);
  await reads('#events', /Hello, stream/);
  assert.deepEqual(page.complaints, []);

  await click('#cut');
  await reads('#cut-verdict', /^Nothing is missing, and nothing came twice\.$/);
  await reads('#cut-facts', /11 of 11.*55 of 55/);
  await until('all streams to be shown as open', async () => !/reconnecting/.test(await text('#streams')));
  await page.screenshot(join(shots, 'firefox.png'));
  // it reports the cut itself
  assert.deepEqual(
    page.complaints.filter((complaint) => !/connection to https:.* (was interrupted|can.t establish)/.test(complaint)),
    [],
  );
});
