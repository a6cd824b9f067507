// eventsource.test.mjs - npm eventsource reads streams over HTTP/1.1 and HTTP/2, and comes back to them
// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventSource } from 'eventsource';
import { Agent, fetch } from 'undici';
import { payloads, sandbox, startAll, startRelay, until } from './fixture.mjs';

const routes = `
  - path: /events
    allow: ["t.>"]
    event: header
`;

const setUp = (t) => startAll(t, sandbox(t), routes);

// Opens a stream and keeps everything it receives. The event names are those to listen to beside "message".
function listen(t, { certificate, port, subject, names = [], allowH2 = false }) {
  const agents = [];
  const source = new EventSource(`https://127.0.0.1:${port}/events?subject=${subject}`, {
    fetch(url, init) {
      // undici 6 never comes back on an agent whose HTTP/2 connection was reset: each attempt has its own
      agents.push(new Agent({ allowH2, connect: { ca: certificate.ca } }));
      return fetch(url, { ...init, dispatcher: agents.at(-1) });
    },
  });
  const stream = { source, events: [], opened: 0, errors: [] };
  source.onopen = () => stream.opened++;
  source.onerror = (error) => stream.errors.push(error);
  for (const name of ['message', 'freshet.gap', 'freshet.bye', ...names]) {
    source.addEventListener(name, ({ type, data, lastEventId }) => stream.events.push({ type, data, lastEventId }));
  }
  t.after(async () => {
    source.close();
    await Promise.all(agents.map((agent) => agent.destroy()));
  });
  return stream;
}

const opened = (stream, times = 1) => until('the stream to open', () => stream.opened >= times);
const received = (stream, count) =>
  until(
    () => `${count} events, got ${stream.events.length}`,
    () => stream.events.length >= count,
  );

for (const protocol of ['HTTP/1.1', 'HTTP/2']) {
  const allowH2 = protocol === 'HTTP/2';

  test(`every payload arrives as it was, over ${protocol}`, { timeout: 60000 }, async (t) => {
    const { certificate, gateway, publisher } = await setUp(t);
    const names = payloads.map(({ event }) => event).filter(Boolean);
    const stream = listen(t, { certificate, port: gateway.port, subject: 't.payloads', names, allowH2 });
    await opened(stream);

    for (const { payload, event } of payloads)
      publisher.publish('t.payloads', payload, event ? { 'Sse-Event': event } : {});
    await received(stream, payloads.length);
    payloads.forEach(({ name, data, event }, i) => {
      assert.deepEqual([stream.events[i].type, stream.events[i].data], [event ?? 'message', data], name);
    });

    const [incarnation, first] = stream.events[0].lastEventId.split('-');
    assert.deepEqual(
      stream.events.map(({ lastEventId }) => lastEventId),
      payloads.map((_, i) => `${incarnation}-${Number(first) + i}`),
    );
  });

  test(`a stream that is cut loses nothing and repeats nothing, over ${protocol}`, { timeout: 60000 }, async (t) => {
    const { certificate, gateway, publisher } = await setUp(t);
    const relay = await startRelay(t, gateway.port);
    const stream = listen(t, { certificate, port: relay.port, subject: 't.cut', allowH2 });
    await opened(stream);

    let sent = 0;
    const publish = (count) => {
      for (let i = 0; i < count; i++) publisher.publish('t.cut', `${sent++}`);
    };
    publish(20);
    await received(stream, 1); // without any event there would be no cursor to come back with
    for (let cuts = 1; cuts <= 5; cuts++) {
      publish(20);
      await publisher.flush();
      relay.cut();
      publish(20);
      await opened(stream, cuts + 1);
      publish(20);
    }
    await received(stream, sent);
    assert.deepEqual(
      stream.events.map(({ type, data }) => `${type} ${data}`),
      Array.from({ length: sent }, (_, i) => `message ${i}`),
    );
    assert.ok(stream.errors.length >= 5, 'the stream was cut');
  });

  test(
    `a gateway that is killed and comes back says that events may be missing, over ${protocol}`,
    { timeout: 60000 },
    async (t) => {
      const { certificate, gateway, start, publisher } = await setUp(t);
      const stream = listen(t, { certificate, port: gateway.port, subject: 't.killed', allowH2 });
      await opened(stream);
      publisher.publish('t.killed', 'before');
      await received(stream, 1);
      const cursor = stream.events[0].lastEventId;

      assert.equal(await gateway.stop('SIGKILL'), 'SIGKILL');
      publisher.publish('t.killed', 'while nobody listens');
      await publisher.flush();
      await start(gateway.port);
      await opened(stream, 2);
      publisher.publish('t.killed', 'after');
      await received(stream, 3);

      const [, gap, after] = stream.events;
      assert.equal(gap.type, 'freshet.gap');
      const { reason, last } = JSON.parse(gap.data);
      assert.deepEqual({ reason, last }, { reason: 'unknown-id', last: cursor });
      assert.deepEqual([after.type, after.data], ['message', 'after']);
      assert.notEqual(after.lastEventId.split('-')[0], cursor.split('-')[0], 'another incarnation');
    },
  );

  test(`a gateway that ends says goodbye, over ${protocol}`, { timeout: 60000 }, async (t) => {
    const { certificate, gateway } = await setUp(t);
    const stream = listen(t, { certificate, port: gateway.port, subject: 't.bye', allowH2 });
    await opened(stream);
    assert.equal(await gateway.stop('SIGTERM'), 0);
    await received(stream, 1);
    assert.equal(stream.events[0].type, 'freshet.bye');
    assert.deepEqual(JSON.parse(stream.events[0].data), { reason: 'drain' });
  });
}

test('a refused stream is an error with its status, and final', { timeout: 60000 }, async (t) => {
  const { certificate, gateway } = await setUp(t);
  const stream = listen(t, { certificate, port: gateway.port, subject: 'elsewhere.a' });
  await until('the refusal', () => stream.errors.length > 0);
  assert.equal(stream.errors[0].code, 403);
  assert.equal(stream.source.readyState, EventSource.CLOSED);
});
