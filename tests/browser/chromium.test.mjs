// chromium.test.mjs - a browser's EventSource: a hundred streams on one connection, CORS, coming back
// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser, openPage, startOrigin, watchConnections } from './browser.mjs';
import { payloads, sandbox, startAll, startRelay, until } from './fixture.mjs';

async function setUp(t) {
  const dir = sandbox(t);
  const [origin, browser] = await Promise.all([startOrigin(t), launchBrowser(t)]);
  const routes = `
  - path: /events
    allow: ["t.>"]
    event: header
    cors: {origins: ["${origin}"], credentials: true}
  - path: /public
    allow: ["t.>"]
    cors: {origins: ["*"]}
  - path: /own
    allow: ["t.>"]
`;
  const page = await openPage(browser);
  await page.goto(origin);
  return { ...(await startAll(t, dir, routes)), page };
}

// Opens one EventSource a URL in the page, where window.streams keeps what each of them receives.
function listen(page, urls, { names = [], withCredentials = false } = {}) {
  return page.evaluate(
    ({ urls, names, withCredentials }) => {
      window.streams = urls.map((url) => {
        const source = new EventSource(url, { withCredentials });
        const stream = { source, opened: 0, errors: 0, events: [] };
        source.onopen = () => stream.opened++;
        source.onerror = () => stream.errors++;
        for (const name of ['message', 'freshet.gap', 'freshet.bye', ...names]) {
          source.addEventListener(name, ({ type, data, lastEventId }) =>
            stream.events.push({ type, data, lastEventId }),
          );
        }
        return stream;
      });
    },
    { urls, names, withCredentials },
  );
}

const look = (page) =>
  page.evaluate(() => window.streams.map(({ source, ...told }) => ({ ...told, readyState: source.readyState })));

async function all(page, what, condition) {
  let streams = [];
  const summary = () => `${what}: ${streams.filter(condition).length} of ${streams.length}`;
  await until(summary, async () => (streams = await look(page)).every(condition));
  return streams;
}

test('a hundred streams share one connection and each gets its own events', { timeout: 60000 }, async (t) => {
  const { gateway, publisher, page } = await setUp(t);
  const seen = await watchConnections(page, '/events');
  const subjects = Array.from({ length: 100 }, (_, i) => `t.hundred.${i}`);
  await listen(
    page,
    subjects.map((subject) => `https://localhost:${gateway.port}/events?subject=${subject}`),
  );
  await all(page, 'streams open', ({ opened }) => opened === 1);
  assert.deepEqual([...seen.protocols], ['h2']);
  assert.deepEqual({ answers: seen.count, connections: seen.connections.size }, { answers: 100, connections: 1 });

  const rounds = [0, 1, 2, 3, 4];
  for (const round of rounds) for (const subject of subjects) publisher.publish(subject, `${subject} ${round}`);
  await publisher.flush();
  const streams = await all(page, 'streams with all events', ({ events }) => events.length >= rounds.length);
  streams.forEach(({ events, errors }, i) => {
    assert.deepEqual(
      events.map(({ data }) => data),
      rounds.map((round) => `${subjects[i]} ${round}`),
    );
    assert.equal(errors, 0);
  });
});

test('every payload arrives as it was', { timeout: 60000 }, async (t) => {
  const { gateway, publisher, page } = await setUp(t);
  const names = payloads.map(({ event }) => event).filter(Boolean);
  await listen(page, [`https://localhost:${gateway.port}/events?subject=t.payloads`], { names });
  await all(page, 'streams open', ({ opened }) => opened === 1);
  for (const { payload, event } of payloads)
    publisher.publish('t.payloads', payload, event ? { 'Sse-Event': event } : {});
  const [{ events }] = await all(page, 'streams with all events', (stream) => stream.events.length >= payloads.length);
  payloads.forEach(({ name, data, event }, i) => {
    assert.deepEqual([events[i].type, events[i].data], [event ?? 'message', data], name);
  });
});

test('streams that are cut lose nothing and repeat nothing', { timeout: 60000 }, async (t) => {
  const { gateway, publisher, page } = await setUp(t);
  const relay = await startRelay(t, gateway.port);
  const subjects = Array.from({ length: 20 }, (_, i) => `t.cut.${i}`);
  await listen(
    page,
    subjects.map((subject) => `https://localhost:${relay.port}/events?subject=${subject}`),
  );
  await all(page, 'streams open', ({ opened }) => opened === 1);

  let sent = 0;
  const publish = (count) => {
    for (let i = 0; i < count; i++, sent++) for (const subject of subjects) publisher.publish(subject, `${sent}`);
  };
  publish(5);
  await all(page, 'streams with a cursor', ({ events }) => events.length > 0);
  for (let cuts = 1; cuts <= 3; cuts++) {
    publish(5);
    await publisher.flush();
    relay.cut();
    publish(5);
    await all(page, 'streams open again', ({ opened }) => opened > cuts);
    publish(5);
  }
  const expected = Array.from({ length: sent }, (_, i) => `message ${i}`);
  const streams = await all(page, 'streams with all events', ({ events }) => events.length >= sent);
  for (const { events } of streams)
    assert.deepEqual(
      events.map(({ type, data }) => `${type} ${data}`),
      expected,
    );
});

test('streams come back to a gateway that was killed, and learn of the gap', { timeout: 60000 }, async (t) => {
  const { start, gateway, publisher, page } = await setUp(t);
  const subjects = Array.from({ length: 20 }, (_, i) => `t.killed.${i}`);
  const publish = (text) => subjects.forEach((subject) => publisher.publish(subject, text));
  await listen(
    page,
    subjects.map((subject) => `https://localhost:${gateway.port}/events?subject=${subject}`),
  );
  await all(page, 'streams open', ({ opened }) => opened === 1);
  publish('before');
  await all(page, 'streams with an event', ({ events }) => events.length === 1);

  await gateway.stop('SIGKILL');
  publish('while nobody listens');
  await publisher.flush();
  await start(gateway.port);
  await all(page, 'streams open again', ({ opened }) => opened === 2);
  publish('after');
  const streams = await all(page, 'streams with all events', ({ events }) => events.length >= 3);
  for (const { events } of streams) {
    assert.deepEqual(
      events.map(({ type }) => type),
      ['message', 'freshet.gap', 'message'],
    );
    const { reason, last } = JSON.parse(events[1].data);
    assert.deepEqual({ reason, last }, { reason: 'unknown-id', last: events[0].lastEventId });
    assert.equal(events[2].data, 'after');
  }
});

test('another origin reads what CORS lets it read, and nothing else', { timeout: 60000 }, async (t) => {
  const { gateway, publisher, page } = await setUp(t);
  const url = (path) => `https://localhost:${gateway.port}${path}?subject=t.cors`;
  const cases = [
    { path: '/events', withCredentials: true, readable: true },
    { path: '/events', withCredentials: false, readable: true },
    { path: '/public', withCredentials: false, readable: true },
    { path: '/public', withCredentials: true, readable: false }, // "*" is not for credentials
    { path: '/own', withCredentials: false, readable: false },
  ];
  for (const { path, withCredentials, readable } of cases) {
    const what = `${path}${withCredentials ? ' with credentials' : ''}`;
    await listen(page, [url(path)], { withCredentials });
    if (readable) {
      await all(page, `${what} open`, ({ opened }) => opened === 1);
      publisher.publish('t.cors', what);
      const [{ events }] = await all(page, `${what} read`, (stream) => stream.events.length > 0);
      assert.equal(events[0].data, what);
    } else {
      const [{ opened }] = await all(page, `${what} refused`, ({ readyState }) => readyState === 2);
      assert.equal(opened, 0);
    }
    await page.evaluate(() => window.streams.forEach(({ source }) => source.close()));
  }
});
