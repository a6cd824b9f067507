// browser.mjs - headless Chromium, and a record of the connections that it uses
// SPDX-License-Identifier: MIT
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const args = [
  '--no-sandbox', // root has none, and the pages are our own
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

// With a profile of its own, which goes away with it. The test's CA is unknown to it: it takes any certificate.
export async function launchBrowser(t) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
  t.after(() => browser.close());
  return browser;
}

export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  return context.newPage();
}

// Which connection each answer from a path came on, as the browser's network stack numbers them.
export async function watchConnections(page, path) {
  const seen = { count: 0, connections: new Set(), protocols: new Set() };
  const session = await page.context().newCDPSession(page);
  session.on('Network.responseReceived', ({ response }) => {
    if (new URL(response.url).pathname !== path) return;
    seen.count++;
    seen.connections.add(response.connectionId);
    seen.protocols.add(response.protocol);
  });
  await session.send('Network.enable');
  return seen;
}

// An empty page from an origin of its own.
export async function startOrigin(t) {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>test</title><link rel="icon" href="data:,">');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${server.address().port}`;
}
