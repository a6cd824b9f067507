// server.js - NATS to text/event-stream over HTTP/2, the way one would write it in Node
// SPDX-License-Identifier: MIT
'use strict';
const fs = require('node:fs');
const http2 = require('node:http2');
const { connect } = require('nats');

const [port, certificate, key, natsUrl] = process.argv.slice(2);
const LF = 10, CR = 13;
const channels = new Map(); // subject -> {subscription, streams}
let sequence = 0;

// Each message is encoded once, whatever the number of its streams.
function encode(data) {
    const head = Buffer.from(`id: ${++sequence}\n`);
    const payload = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (!payload.includes(LF) && !payload.includes(CR))
        return Buffer.concat([head, Buffer.from('data: '), payload, Buffer.from('\n\n')]);
    const lines = payload.toString('utf8').split(/\r\n|\n|\r/);
    return Buffer.concat([head, Buffer.from(lines.map((line) => `data: ${line}\n`).join('') + '\n')]);
}

function join(nats, subject, stream) {
    let channel = channels.get(subject);
    if (channel === undefined) {
        const streams = new Set();
        const subscription = nats.subscribe(subject, {
            callback: (error, message) => {
                if (error)
                    return;
                const event = encode(message.data);
                for (const each of streams)
                    each.write(event); // a full stream queues inside Node
            },
        });
        channel = { subscription, streams };
        channels.set(subject, channel);
    }
    channel.streams.add(stream);
}

function leave(subject, stream) {
    const channel = channels.get(subject);
    if (channel === undefined || !channel.streams.delete(stream) || channel.streams.size !== 0)
        return;
    channel.subscription.unsubscribe();
    channels.delete(subject);
}

async function main() {
    const nats = await connect({ servers: natsUrl });
    const server = http2.createSecureServer({
        cert: fs.readFileSync(certificate),
        key: fs.readFileSync(key),
        settings: { maxConcurrentStreams: 1000 },
    });
    server.on('stream', (stream, headers) => {
        const url = new URL(headers[':path'], 'https://localhost');
        const subjects = url.searchParams.getAll('subject');
        stream.on('error', () => {});
        if (url.pathname !== '/events' || subjects.length === 0) {
            stream.respond({ ':status': 404 }, { endStream: true });
            return;
        }
        stream.respond({
            ':status': 200,
            'content-type': 'text/event-stream; charset=utf-8',
            'cache-control': 'no-cache, no-transform',
        });
        stream.write('retry: 2000\n\n');
        for (const subject of subjects)
            join(nats, subject, stream);
        stream.on('close', () => subjects.forEach((subject) => leave(subject, stream)));
    });
    server.on('sessionError', () => {});
    server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
    process.on('SIGTERM', () => process.exit(0));
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
