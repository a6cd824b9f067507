// firefox.mjs - headless Firefox, driven over as much of WebDriver BiDi as a test of a page needs
// SPDX-License-Identifier: MIT
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'undici';
import { undo } from './fixture.mjs';

export const firefox = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
export const hasFirefox = existsSync(firefox);

// Switches off its own questions and downloads.
const PREFERENCES = {
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.reportingpolicy.firstRun': false,
};

function makeProfile(dir) {
  const profile = join(dir, 'firefox');
  mkdirSync(profile);
  const lines = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  writeFileSync(join(profile, 'user.js'), `${lines.join('\n')}\n`);
  return profile;
}

// Its address, which it prints on stderr.
function listening(child) {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
      const url = /WebDriver BiDi listening on (ws:\S+)/.exec(said)?.[1];
      if (url) resolve(url);
    });
    child.once('exit', (code) => reject(new Error(`firefox ended with ${code}:\n${said}`)));
  });
}

class Session {
  constructor(socket) {
    Object.assign(this, { socket, last: 0, waiting: new Map(), complaints: [] });
    socket.onmessage = ({ data }) => this.take(JSON.parse(data));
  }

  take({ id, type, method, params, result, message }) {
    const { resolve, reject } = this.waiting.get(id) ?? {};
    this.waiting.delete(id);
    if (type === 'success') resolve(result);
    else if (type === 'error') reject?.(new Error(message));
    else if (method === 'log.entryAdded' && params.level !== 'info') this.complaints.push(params.text);
  }

  send(method, params = {}) {
    const id = ++this.last;
    const answered = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.socket.send(JSON.stringify({ id, method, params }));
    return answered;
  }
}

// One page. evaluate() takes an expression, and gives its value as JSON would carry it.
class Page {
  constructor(session, context) {
    Object.assign(this, { session, context, complaints: session.complaints });
  }

  async goto(url) {
    await this.session.send('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.session.send('script.evaluate', {
      expression: `JSON.stringify(${expression})`,
      target: { context: this.context },
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return result.value === undefined ? undefined : JSON.parse(result.value);
  }

  async screenshot(path) {
    const { data } = await this.session.send('browsingContext.captureScreenshot', {
      context: this.context,
      origin: 'document',
    });
    writeFileSync(path, Buffer.from(data, 'base64'));
  }

  resize(width, height) {
    return this.session.send('browsingContext.setViewport', { context: this.context, viewport: { width, height } });
  }
}

// With a profile of its own below dir. It takes any certificate, for the test's CA is unknown to it.
export async function launchFirefox(t, dir) {
  const args = ['--headless', '--no-remote', '--profile', makeProfile(dir), '--remote-debugging-port', '0'];
  const child = spawn(firefox, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: dir, MOZ_CRASHREPORTER_DISABLE: '1' },
  });
  process.on('exit', () => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.once('close', resolve));
  undo(t, () => {
    child.kill('SIGKILL');
    return ended;
  });
  const socket = new WebSocket(`${await listening(child)}/session`);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = ({ error }) => reject(error);
  });
  undo(t, () => socket.close());
  const session = new Session(socket);
  await session.send('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
  await session.send('session.subscribe', { events: ['log.entryAdded'] });
  const { contexts } = await session.send('browsingContext.getTree');
  return new Page(session, contexts[0].context);
}
