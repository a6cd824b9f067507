# scenarios.py - the scenarios of the benchmark
# SPDX-License-Identifier: MIT
"""A scenario is a function of the Bench (session, results, options). Where several servers are compared, repetitions
are the outer loop and the order of the servers turns round each time, so that a machine that slows down over the run
doesn't favour one of them."""

import os
import time

from . import trial
from .session import BenchError, say
from .trial import Plan


class Bench:
    def __init__(self, session, results, options, peers):
        self.session, self.results, self.options, self.peers = session, results, options, peers

    @property
    def smoke(self):
        return self.options.smoke

    def chosen(self, *names):
        """Those of the servers that can run here, in the given order."""
        return [n for n in names if n in self.peers]

    def everyone(self):
        return self.peers

    def length(self, seconds):
        return 0.3 if self.smoke else seconds * self.options.scale

    def warmup(self):
        return 0.1 if self.smoke else 1

    def repetitions(self):
        return 1 if self.smoke else self.options.repetitions

    def measure(self, scenario, server, point, plan):
        outcome = trial.run(self.session, plan, server)
        trial.record(self.results, scenario, server, point, outcome)
        say(f"    {server:8} {point}: {trial.summary(outcome)}")
        if not outcome.held:
            self.results.notes.append(f"{scenario}, {server}, {point}: " + "; ".join(outcome.reasons))
        return outcome

    def plan(self, connections, streams, rate, **more):
        return Plan(connections, streams, rate, **{"duration": self.length(5), "warmup": self.warmup(),
                                                   "loose": self.smoke, **more})

    def alternate(self, scenario, servers, plans):
        """plans: {point: Plan or function of the server}."""
        for repetition in range(self.repetitions()):
            order = servers if repetition % 2 == 0 else servers[::-1]
            for point, plan in plans.items():
                for server in order:
                    self.measure(scenario, server, point, plan(server) if callable(plan) else plan)


def try_rate(bench, server, plan):
    outcome = trial.run(bench.session, plan, server)
    say(f"    {server:8} {plan.rate:.4g} messages/s: {trial.summary(outcome)}")
    return outcome


def highest_rate(bench, server, plan_for, start):
    """Doubles until a rate is not held, then halves the gap. The highest rate that was held, 0 if none was."""
    held, failed, rate = 0, None, start
    while True:
        # Something else on the machine may spoil one trial; what fails twice in a row is too much.
        if try_rate(bench, server, plan_for(rate)).held or try_rate(bench, server, plan_for(rate)).held:
            held = rate
        else:
            failed = rate
        if failed is None:
            rate *= 2
        elif held == 0 and rate > 5:
            rate /= 4
        elif held == 0 or failed / held < 1.1:
            return held
        else:
            rate = float(f"{(held * failed) ** 0.5:.4g}")


def saturate(bench):
    """1 subject, 1,000 streams, 10 connections: the highest rate held with nothing lost."""
    point, streams = "highest rate held", 10 if bench.smoke else 100

    def plan(rate, seconds=2):
        return bench.plan(10, streams, rate, duration=bench.length(seconds), warmup=bench.warmup() / 2)

    rates = {}
    for server in bench.everyone():
        if bench.smoke:
            rates[server] = 50
        else:
            start = 25 if server == "nchan" else 500
            rates[server] = highest_rate(bench, server, plan, start)
    servers = [s for s in bench.everyone() if rates[s] > 0]

    def final(server):
        return plan(rates[server], 5)

    for repetition in range(bench.repetitions()):
        for server in servers if repetition % 2 == 0 else servers[::-1]:
            # A rate held for two seconds may be too much for five: step down until it is held.
            for _ in range(1 if bench.smoke else 6):
                outcome = try_rate(bench, server, final(server))
                if outcome.held:
                    break
                rates[server] = float(f"{rates[server] * 0.93:.4g}")
            if not outcome.held:
                bench.results.notes.append(f"saturate, {server}: {'; '.join(outcome.reasons)}")
            trial.record(bench.results, "saturate", server, point, outcome)
            bench.results.add("saturate", server, point, "messages_per_s", outcome.load["events_per_s"] / (10 * streams))


def steady(bench):
    """The same streams at a fixed rate: latency, and the cost of an event when nothing can be batched."""
    streams = 10 if bench.smoke else 100
    plans = {f"{rate}/s": bench.plan(10, streams, rate) for rate in ((50,) if bench.smoke else (1000, 1200))}
    bench.alternate("steady", bench.chosen("freshet", "floor", "node"), plans)
    # nchan doesn't hold a rate of this kind; at one it does hold there is still a latency to see.
    bench.alternate("steady", bench.chosen("nchan"), {"50/s": bench.plan(10, streams, 50)})


def subjects(bench):
    """10,000 subjects with one stream each."""
    connections = 2 if bench.smoke else 100
    count = connections * (10 if bench.smoke else 100)
    plan = bench.plan(connections, count // connections, 400 if bench.smoke else 20000, subjects=count)
    bench.alternate("subjects", bench.chosen("freshet", "floor", "node"), {f"{count:,} subjects": plan})


def wide(bench):
    """The same number of events a second over 1,000, 10,000 and 100,000 streams."""
    shapes = ((1, 10, 50), (2, 10, 25)) if bench.smoke else ((10, 100, 1000), (100, 100, 100), (1000, 100, 10))
    plans = {f"{connections * per:,} streams": bench.plan(connections, per, rate) for connections, per, rate in shapes}
    bench.alternate("wide", bench.chosen("freshet", "floor"), plans)
    plans.pop("100,000 streams", None)
    bench.alternate("wide", [] if bench.smoke else bench.chosen("node"), plans)


def idle(bench):
    """100,000 streams on which nothing happens but heartbeats: processor time over two periods of them."""
    connections, per, seconds = (2, 10, 0.3) if bench.smoke else (1000, 100, 32)
    for server in bench.chosen("freshet"):
        with bench.session.server(server, streams=connections * per) as running:
            load = bench.session.load(running, connections=connections, streams=per)
            load.ready()
            time.sleep(bench.warmup())
            load.order("measure")
            time.sleep(seconds)
            load.order("end")
            figures = load.finish()
        share = figures["window_server_cpu_s"] / figures["window_s"]
        point = "20 streams" if bench.smoke else "100,000 streams"
        bench.results.add("idle", server, point, "cpu_share", share)
        bench.results.raw.append({"scenario": "idle", "server": server, "point": point, "load": figures})
        say(f"    {server:8} {point}: {share:.2%} of a core, {figures['counters']['heartbeats']} heartbeats")


def million(bench):
    """1,000,000 streams on 10,000 connections, a few broadcasts, and a small channel that must not notice."""
    connections, per = (5, 20) if bench.smoke else (10000, 100)
    point = "100 streams" if bench.smoke else "1,000,000 streams"
    broadcasts, pause = (2, 0.2) if bench.smoke else (5, 3)
    for server in bench.chosen("freshet"):
        with bench.session.server(server, streams=connections * per) as running:
            big = bench.session.load(running, subject="bench.0", connections=connections, streams=per, parallel=64,
                                     grace=20, **{"ready-timeout": 600})
            opened = big.ready(660)
            if opened != connections * per:
                raise BenchError(f"only {opened} streams opened: {big.complaint()}")
            small = bench.session.load(running, "small", subject="bench.1", connections=1, streams=10)
            small.ready()
            time.sleep(bench.warmup())
            seconds = broadcasts * pause + 1
            other = bench.session.start_publisher(running, "small", subject="bench.1", rate=200, duration=seconds)
            for load in (big, small):
                load.order("measure", 120)
            sent = bench.session.publish(running, timeout=120, subject="bench.0", rate=1 / pause, count=broadcasts)
            big.order(f"expect {sent['last_sequence']}", 120)
            big.order("end", 120)
            small_sent = bench.session.end_publisher(other, 60)
            small.order("end")
            small.order(f"expect {small_sent['last_sequence']}")
            results = {"big": big.finish(), "small": small.finish()}
        add = bench.results.add
        load = results["big"]
        add("million", server, point, "broadcast_s", load["latency_ns"]["max"] / 1e9)
        add("million", server, point, "small_p99_ms", results["small"]["latency_ns"]["p99"] / 1e6)
        add("million", server, point, "ready_s", load["ready_s"])
        grown = load["server_ready"]["pss_kb"] - load["server_before"]["pss_kb"]
        add("million", server, point, "kb_per_stream", grown / load["streams_ready"])
        add("million", server, point, "rss_mb", load["server_end"]["rss_kb"] / 1024)
        bench.results.raw.append({"scenario": "million", "server": server, "point": point, **results})
        for name, figures in results.items():
            if figures["errors"]:
                bench.results.notes.append(f"million, {name}: {figures['errors']} errors: {figures.get('complaint')}")
        say(f"    {server:8} {grown / load['streams_ready']:.2f} KB a stream, broadcast "
            f"{load['latency_ns']['max'] / 1e9:.3f} s, small channel p99 "
            f"{results['small']['latency_ns']['p99'] / 1e6:.2f} ms, errors {load['errors']}")


def slow(bench):
    """One reader in ten stops reading: what it costs the others, and the server's memory."""
    streams, rate = (10, 50) if bench.smoke else (100, 1000)
    plans = {point: bench.plan(10, streams, rate, load={"stall": share})
             for point, share in (("none stalled", 0), ("one in ten stalled", 0.1))}
    bench.alternate("slow", bench.chosen("freshet", "node"), plans)


def resume(bench):
    """Every stream is cut at the same moment, misses 100 events, and comes back with its Last-Event-ID."""
    connections, per, missed = (4, 10, 20) if bench.smoke else (100, 100, 100)
    point = "40 streams × 20 events" if bench.smoke else "10,000 streams × 100 events"
    for server in bench.chosen("freshet"):
        for _ in range(bench.repetitions()):
            with bench.session.server(server, streams=connections * per) as running:
                load = bench.session.load(running, connections=connections, streams=per, resumable=True, grace=20)
                load.ready()
                time.sleep(trial.SETTLE_S)
                bench.session.publish(running, rate=200, count=20)
                load.order("expect 20")
                load.order("cut")
                bench.session.publish(running, rate=2000, count=missed, first=21)
                load.order("resume")
                answer = load.order(f"expect {20 + missed}")
                figures = load.finish()
            if answer != "complete" or figures["errors"]:
                bench.results.notes.append(f"resume: {answer}, {figures['errors']} errors: {figures.get('complaint')}")
            bench.results.add("resume", server, point, "resume_s", figures["resume_s"])
            bench.results.raw.append({"scenario": "resume", "server": server, "point": point, "load": figures})
            say(f"    {server:8} {point}: {figures['resume_s']:.3f} s, {answer}, errors {figures['errors']}")


def sizes(bench):
    """Payloads of 16 bytes to 64 KiB, at a rate that keeps the bytes of large ones within reason."""
    plans = {}
    for size in (16, 65536) if bench.smoke else (16, 128, 1024, 8192, 65536):
        rate = min(2000.0, 2e8 / (size * 100))
        plans[f"{size} B"] = bench.plan(10, 10, 20 if bench.smoke else rate, size=size, duration=bench.length(3))
    bench.alternate("sizes", bench.chosen("freshet", "floor"), plans)


def workers(bench):
    """1 to N event loops, as many threads of the client: the highest rate held."""
    cores = os.cpu_count()
    counts = sorted({n for n in (1, 2, 4, 8, 16, 32, 64) if n <= cores} | {cores})
    for count in counts:
        def plan(rate, count=count):
            return bench.plan(10, 10 if bench.smoke else 100, rate, duration=bench.length(2),
                              warmup=bench.warmup() / 2, workers=count, threads=count)
        for server in bench.chosen("freshet"):
            rate = 50 if bench.smoke else highest_rate(bench, server, plan, 1000)
            if rate > 0:
                bench.measure("workers", server, f"{count} workers", plan(rate))


# name: (function, connections, GiB of memory, in the default run?)
SCENARIOS = {
    "saturate": (saturate, 10, 2, True),
    "steady": (steady, 10, 2, True),
    "subjects": (subjects, 100, 2, True),
    "wide": (wide, 1000, 4, True),
    "idle": (idle, 1000, 4, True),
    "million": (million, 10001, 14, False),
    "slow": (slow, 10, 2, True),
    "resume": (resume, 100, 2, True),
    "sizes": (sizes, 10, 2, True),
    "workers": (workers, 10, 2, True),
}
