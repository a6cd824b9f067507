// fixture.mjs - a broker, a gateway and a TCP relay for one test, and how to undo them
// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const binary = process.env.FRESHET_BINARY ?? fileURLToPath(new URL('../../build/bin/freshet', import.meta.url));
// Debian installs nats-server in a folder that only root's PATH has.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };
const patience = 15000 * Number(process.env.FRESHET_TIME_FACTOR ?? 1);

// No child outlives this process, even if a test is interrupted.
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

// times: how much more patience than usual.
export async function until(what, condition, times = 1) {
  const deadline = Date.now() + patience * times;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) assert.fail(`waited in vain for ${typeof what === 'string' ? what : await what()}`);
    await sleep(10);
  }
}

// Undoes a test's steps at its end, the latest first: nothing may still write to a folder that is being removed.
const undoing = new WeakMap();
export function undo(t, step) {
  if (!undoing.has(t)) {
    undoing.set(t, []);
    t.after(async () => {
      for (const step of undoing.get(t).reverse()) await step();
    });
  }
  undoing.get(t).push(step);
}

// A folder removed with the test. A broker of --dev may outlive its killed gateway by a moment: hence the retries.
export function sandbox(t) {
  const dir = mkdtempSync(join(tmpdir(), 'freshet-browser-'));
  undo(t, () => rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
  return dir;
}

function start(t, log, command, args, options = {}) {
  const fd = openSync(log, 'a');
  const child = spawn(command, args, { env, stdio: ['ignore', fd, fd], ...options });
  closeSync(fd);
  children.add(child);
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(`${command}: ${error.message}`));
    child.once('exit', (code, signal) => resolve(signal ?? code));
  }).then((how) => {
    children.delete(child);
    return how;
  });
  const stop = (signal = 'SIGTERM') => {
    child.kill(signal);
    return ended;
  };
  undo(t, () => stop('SIGKILL'));
  return { child, stop, running: () => children.has(child) };
}

export async function startBroker(t, dir) {
  const log = join(dir, 'nats.log');
  const broker = start(t, log, 'nats-server', ['-a', '127.0.0.1', '-p', '-1', '--ports_file_dir', dir]);
  const file = join(dir, `nats-server_${broker.child.pid}.ports`);
  const url = await until('nats-server', () => {
    assert.ok(broker.running(), `nats-server has ended:\n${readFileSync(log, 'utf8')}`);
    return existsSync(file) && /nats:\/\/[\d.:]+/.exec(readFileSync(file, 'utf8'))?.[0];
  });
  return { ...broker, url, port: Number(new URL(url).port) };
}

// A CA and a leaf that it signed: clients verify here as they would elsewhere.
export function makeCertificate(dir) {
  const at = (name) => join(dir, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  writeFileSync(at('leaf.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n');
  openssl('req', '-x509', ...key, '-keyout', at('ca.key'), '-out', at('ca.crt'), '-days', '2', '-subj', '/CN=Test CA');
  openssl('req', ...key, '-keyout', at('leaf.key'), '-out', at('leaf.csr'), '-subj', '/CN=localhost');
  openssl(
    'x509',
    '-req',
    '-in',
    at('leaf.csr'),
    '-CA',
    at('ca.crt'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-extfile',
    at('leaf.ext'),
    '-days',
    '2',
    '-out',
    at('leaf.crt'),
  );
  return { ca: readFileSync(at('ca.crt'), 'utf8'), certificate: at('leaf.crt'), key: at('leaf.key') };
}

// Runs the binary until it says that it is ready; the port is the one of its TLS listener.
async function launch(t, dir, args, extra = {}) {
  const log = join(dir, `gateway-${Date.now()}-${Math.random()}.log`);
  const gateway = start(t, log, binary, args, { cwd: dir, env: { ...env, TMPDIR: dir, ...extra } });
  const said = () => readFileSync(log, 'utf8');
  const port = await until(
    () => `the gateway to be ready:\n${said()}`,
    () => {
      assert.ok(gateway.running(), `the gateway has ended:\n${said()}`);
      return /\sready\s/.test(said()) && /listening\b.*address=\S+:(\d+)\b.*tls=true/.exec(said())?.[1];
    },
  );
  const admin = Number(/ admin\s+address=\S+:(\d+)/.exec(said())?.[1] ?? 0);
  return { ...gateway, port: Number(port), admin, log: said };
}

// On a port that a gateway had before: another process may hold it for a moment, as the local port of a connection.
async function comeBack(start) {
  for (const deadline = Date.now() + patience; ; await sleep(100)) {
    try {
      return await start();
    } catch (error) {
      if (Date.now() > deadline || !/address already in use/i.test(error.message)) throw error;
    }
  }
}

// With port 0 any free port; a port that a gateway had before brings it back to the same address.
// admin: a line of its own, or nothing.
export function startGateway(t, dir, { broker, certificate, routes, port = 0, admin = '' }) {
  const config = `workers: 2
drain: {window: 0}
listen:
  - address: "127.0.0.1:${port}"
    certificate: ${certificate.certificate}
    key: ${certificate.key}
${admin}
nats:
  url: "${broker.url}"
defaults:
  retry: 200ms
routes:
${routes}`;
  const file = join(dir, 'freshet.yaml');
  writeFileSync(file, config);
  return comeBack(() => launch(t, dir, ['--config', file]));
}

export function startDev(t, dir, port = 0) {
  return comeBack(() => launch(t, dir, ['--dev'], { FRESHET_DEV_ADDRESS: `127.0.0.1:${port}` }));
}

// The publishing half of the NATS protocol, which is two verbs.
// A broker, a certificate and a gateway on it; start begins another, at a port that is known.
export async function startAll(t, dir, routes) {
  const broker = await startBroker(t, dir);
  const certificate = makeCertificate(dir);
  const start = (port) => startGateway(t, dir, { broker, certificate, routes, port });
  return { certificate, start, gateway: await start(0), publisher: await Publisher.connect(t, broker) };
}

export class Publisher {
  static async connect(t, broker) {
    const publisher = new Publisher();
    const socket = net.connect(broker.port, '127.0.0.1').setEncoding('utf8');
    publisher.socket = socket;
    publisher.pongs = [];
    undo(t, () => socket.destroy());
    socket.on('error', (error) => publisher.pongs.splice(0).forEach(({ reject }) => reject(error)));
    socket.on('data', (text) => {
      for (const line of text.split('\r\n')) {
        if (line === 'PING') socket.write('PONG\r\n');
        if (line === 'PONG') publisher.pongs.shift()?.resolve();
        if (line.startsWith('-ERR')) publisher.pongs.splice(0).forEach(({ reject }) => reject(new Error(line)));
      }
    });
    socket.write('CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n');
    await publisher.flush();
    return publisher;
  }

  publish(subject, payload, headers = {}) {
    const body = Buffer.from(payload);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = Buffer.from(lines.length ? `NATS/1.0\r\n${lines.join('')}\r\n` : '');
    const sizes = lines.length ? `${head.length} ${head.length + body.length}` : `${body.length}`;
    this.socket.write(`${lines.length ? 'HPUB' : 'PUB'} ${subject} ${sizes}\r\n`);
    this.socket.write(Buffer.concat([head, body, Buffer.from('\r\n')]));
  }

  // Resolves when the broker has taken all that was published before.
  flush() {
    return new Promise((resolve, reject) => {
      this.pongs.push({ resolve, reject });
      this.socket.write('PING\r\n');
    });
  }
}

// A TCP relay in front of the gateway, whose cut() is what a lost network looks like.
export async function startRelay(t, port) {
  const sockets = new Set();
  const server = net.createServer((client) => {
    const upstream = net.connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      sockets.add(from);
      from.on('data', (data) => to.write(data));
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => sockets.forEach((socket) => socket.resetAndDestroy());
  undo(t, () => {
    cut();
    server.close();
  });
  return { port: server.address().port, cut };
}

// What is published, and what an EventSource has to make of it (WHATWG HTML, "Server-sent events").
export const payloads = [
  { name: 'text', payload: 'hello' },
  { name: 'CRLF, CR and LF', payload: 'one\r\ntwo\rthree\n\nfive', data: 'one\ntwo\nthree\n\nfive' },
  { name: 'a line end at the end', payload: 'one\n' },
  { name: 'an empty payload', payload: '' },
  { name: 'blanks and colons', payload: '  two blanks\n: no comment\ndata: no field\nid: 7' },
  { name: 'a byte order mark', payload: '\ufeffmarked' },
  { name: 'other scripts', payload: 'Grüße, Ελλάδα, 日本語, العربية, 🌊\u2028next' },
  { name: 'NUL', payload: 'a\0b' },
  { name: 'a large payload', payload: 'Weißbrot '.repeat(20000) },
  { name: 'a named event', payload: 'one\ntwo', event: 'order.created' },
  { name: 'a name of another script', payload: '値', event: 'größer 🌊' },
];
for (const one of payloads) one.data ??= one.payload;
