# wrk.py - the HTTP/1.1 side of the benchmark, with Debian's wrk
# SPDX-License-Identifier: MIT
import http.client
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from .session import ROOT, BenchError, say
from .trial import SETTLE_S

SCRIPTS = os.path.join(ROOT, "bench", "wrk")
REPLAYED = 100


def wrk(bench, script, url, connections, seconds, **environment):
    """Starts wrk; the returned function waits for it and gives its figures."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s",
               "--timeout", f"{round(seconds) + 10}s", "-s", os.path.join(SCRIPTS, script + ".lua"), url]
    log = os.path.join(bench.session.workdir, f"wrk-{script}.log")
    with open(log, "w", encoding="utf-8") as out:
        process = bench.session.spawn(command, stdout=out, stderr=out,
                                      env={**os.environ, "BENCH_WRK": SCRIPTS, **environment})

    def figures():
        bench.session.reap(process, seconds + 30)
        with open(log, encoding="utf-8", errors="replace") as f:
            text = f.read()
        found = re.search(r"^BENCH (.*)$", text, re.M)
        if process.returncode != 0 or found is None:
            raise BenchError(f"wrk {script}: " + " ".join(text.split())[-300:])
        return json.loads(found.group(1))

    return figures


def metric(server, name):
    """Sum over the labels of a metric of the gateway."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port()}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))


class Stream:
    """One stream over HTTP/1.1, read by hand to see how many bytes an event is on the wire."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=10)
        self.connection.request("GET", f"{parts.path}?{parts.query}", headers={"accept": "text/event-stream"})
        self.socket = self.connection.sock  # getresponse() may take it away
        self.bytes = b""

    def read_until(self, pattern):
        while not re.search(pattern, self.bytes):
            chunk = self.socket.recv(65536)
            if not chunk:
                raise BenchError("the stream ended")
            self.bytes += chunk
        return self.bytes

    def chunk_of_event(self):
        """Bytes of the chunk that carries the first event, with its framing. A block without data is no event."""
        chunk = rb"\r\n([0-9a-fA-F]+\r\nid: \S+\ndata: (?:.*\n)+\n\r\n)"
        return len(re.search(chunk, self.read_until(chunk)).group(1))

    def close(self):
        self.connection.close()


def subscribers(bench, server, url):
    """Events a second to long-lived HTTP/1.1 streams, from the bytes wrk has read, checked against the gateway."""
    connections, rate, seconds = (10, 50, 1) if bench.smoke else (400, 1000, max(2, bench.length(5)))
    probe = Stream(url)
    probe.read_until(rb"\r\n\r\n")
    time.sleep(SETTLE_S)
    bench.session.publish(server, subject="bench.0", rate=50, count=1)
    event = probe.chunk_of_event()
    probe.close()
    ended = wrk(bench, "subscribe", url, connections, seconds)
    deadline = time.monotonic() + 10
    while metric(server, "freshet_streams") < connections:
        if time.monotonic() > deadline:
            raise BenchError("wrk's streams did not all open")
        time.sleep(0.02)
    sent = metric(server, "freshet_events_sent_total")
    publisher = bench.session.start_publisher(server, subject="bench.0", first=2, rate=rate, duration=seconds * 0.7)
    bench.session.end_publisher(publisher, seconds + 20)
    figures = ended()
    by_gateway = metric(server, "freshet_events_sent_total") - sent
    by_bytes = figures["bytes"] / event
    if by_gateway == 0 or abs(by_bytes / by_gateway - 1) > 0.1:
        bench.results.notes.append(f"wrk subscribers: {by_bytes:.0f} events by bytes, {by_gateway:.0f} by the gateway")
    say(f"    subscribers: {by_bytes / (seconds * 0.7):.0f} events/s by bytes ({event} bytes each), "
        f"{by_gateway / (seconds * 0.7):.0f}/s by the gateway's own count")
    return "events_per_s", by_bytes / (seconds * 0.7), figures


def whole_answer(url):
    parts = urllib.parse.urlsplit(url)
    stream = Stream(url)
    answer = stream.connection.getresponse()
    body = answer.read()
    stream.close()
    if answer.status != 200:
        raise BenchError(f"{parts.path}?{parts.query} is answered {answer.status}: {body[:200].decode()}")
    return body


def replay(bench, server, url):
    """Streams that take the whole history and end: complete responses a second."""
    keeper = Stream(url)  # keeps the channel and its history alive
    keeper.read_until(rb"\r\n\r\n")
    time.sleep(SETTLE_S)
    bench.session.publish(server, subject="bench.0", rate=2000, count=REPLAYED)
    time.sleep(SETTLE_S)
    finite = url + "&since=earliest&follow=false"
    body = whole_answer(finite)
    events = body.count(b"\ndata: ")
    if events != REPLAYED:
        raise BenchError(f"a replay has {events} events, {REPLAYED} were published")
    figures = wrk(bench, "replay", finite, 20, bench.length(5))()
    keeper.close()
    responses = figures["requests"] / figures["seconds"]
    if figures["status_errors"] or figures["requests"] == 0 or figures["bytes"] / figures["requests"] < len(body):
        bench.results.notes.append(f"wrk replay: incomplete answers: {figures}")
    say(f"    replay: {responses:.0f} complete responses/s of {REPLAYED} events, {responses * REPLAYED:.0f} events/s")
    return "responses_per_s", responses, figures


def publish(bench, server, url):
    """Messages a second through a publish route."""
    target = urllib.parse.urljoin(url, "/publish/0")
    figures = wrk(bench, "publish", target, 20, bench.length(5))()
    if figures["status_errors"]:
        raise BenchError(f"{figures['status_errors']} of {figures['requests']} publishes were refused")
    say(f"    publish: {figures['requests'] / figures['seconds']:.0f} messages/s")
    return "publishes_per_s", figures["requests"] / figures["seconds"], figures


def storm(bench, server, url):
    """Short connections: full TLS handshakes a second."""
    figures = wrk(bench, "storm", urllib.parse.urljoin(url, "/nothing-here"), 20, bench.length(5))()
    if figures["connect_errors"] or figures["timeouts"]:
        bench.results.notes.append(f"wrk storm: {figures['connect_errors']} connects failed, "
                                   f"{figures['timeouts']} timed out")
    say(f"    storm: {figures['requests'] / figures['seconds']:.0f} handshakes/s")
    return "handshakes_per_s", figures["requests"] / figures["seconds"], figures


def missing(bench, kind, why):
    say(f"    {kind.__name__} is missing: {why}")
    bench.results.head["missing"]["wrk " + kind.__name__] = why


def run_kind(bench, kind, name):
    with bench.session.server(name, publish="yes" if kind is publish else "") as server:
        key, value, figures = kind(bench, server, server.url.replace("{subject}", "bench.0"))
    bench.results.add("wrk", name, kind.__name__, key, value)
    bench.results.raw.append({"scenario": "wrk", "server": name, "point": kind.__name__, "wrk": figures})


def run(bench):
    """HTTP/1.1 over TLS, by wrk: fan-out, replay, publishing, short connections."""
    for name in bench.chosen("freshet"):
        for kind in (subscribers, replay, publish, storm):
            try:
                run_kind(bench, kind, name)
            except urllib.error.URLError as error:
                missing(bench, kind, f"the admin listener can't be asked: {error.reason}")
            except BenchError as error:
                if "unknown key" in str(error):
                    missing(bench, kind, "this build has no publish routes")
                else:
                    say(f"    {kind.__name__}: {error}")
                    bench.results.notes.append(f"wrk {kind.__name__}: {error}")
