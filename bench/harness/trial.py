# trial.py - one measurement: a server, its readers, a publisher, a window of time
# SPDX-License-Identifier: MIT
import time
from dataclasses import dataclass, field

from .session import BenchError

SETTLE_S = 0.2  # a server may have answered 200 a moment before the broker has its subscription


@dataclass
class Plan:
    """What one trial does. rate is in messages a second over all subjects."""
    connections: int
    streams: int  # on each connection
    rate: float
    subjects: int = 1
    size: int = 100
    duration: float = 5
    warmup: float = 1
    workers: int = 1
    threads: int = 1
    loose: bool = False  # too short to say anything about the rate: only what arrived is judged
    load: dict = field(default_factory=dict)

    @property
    def all_streams(self):
        return self.connections * self.streams

    def events(self, messages):
        """How many events that many messages become: each stream has one subject."""
        return messages * self.all_streams / self.subjects


@dataclass
class Outcome:
    load: dict
    publisher: dict | None
    reasons: list  # why the rate was not held

    @property
    def held(self):
        return not self.reasons


def judge(plan, load, publisher):
    """An open-loop rate is held when it was really sent, all of it arrived, and none of it piled up."""
    reasons = []
    if publisher is None:
        reasons.append("the publisher could not get rid of its messages")
    elif not plan.loose and publisher["per_second"] < 0.97 * plan.rate:
        reasons.append(f"only {publisher['per_second']:.0f} messages/s could be sent")
    counters = load["counters"]
    for name in ("lost", "repeated", "out_of_order", "gaps", "byes", "closed", "connections_lost", "refused",
                 "malformed", "misrouted", "protocol_errors"):
        if counters[name]:
            reasons.append(f"{name.replace('_', ' ')}: {counters[name]}")
    if load["behind"]:
        reasons.append(f"{load['behind']} streams incomplete")
    wanted = plan.events(plan.rate * load["window_s"]) * (1 - plan.load.get("stall", 0))
    # At two messages a second, one that falls just outside of the window says nothing.
    if not plan.loose and load["window_events"] < 0.97 * wanted - plan.events(2):
        reasons.append(f"{load['window_events'] / max(wanted, 1):.0%} of the events arrived in time")
    return reasons


def run(session, plan, server_name):
    """Starts a fresh server, so that no trial inherits what an earlier one has left behind."""
    with session.server(server_name, workers=plan.workers, streams=plan.all_streams) as server:
        load = session.load(server, connections=plan.connections, streams=plan.streams, subjects=plan.subjects,
                            threads=plan.threads, grace=3, **plan.load)
        ready = load.ready()
        if ready != plan.all_streams:
            raise BenchError(f"{server_name}: only {ready} of {plan.all_streams} streams opened: {load.complaint()}")
        time.sleep(SETTLE_S + plan.subjects / 20000)
        total = plan.warmup + plan.duration + 0.1
        publisher = session.start_publisher(server, rate=plan.rate, subjects=plan.subjects, size=plan.size,
                                            duration=round(total, 3))
        time.sleep(plan.warmup)
        load.order("measure")
        time.sleep(plan.duration)
        load.order("end")
        sent = session.end_publisher(publisher, timeout=total + 5)
        if sent is not None:
            load.order(f"expect {max(sent['last_sequence'], 1)}")
        figures = load.finish()
        return Outcome(figures, sent, judge(plan, figures, sent))


def record(results, scenario, server, point, outcome):
    """Stores the figures that every scenario measures."""
    load = outcome.load
    events, cpu = load["window_events"], load["window_server_cpu_s"]

    def add(metric, value):
        results.add(scenario, server, point, metric, value)

    add("events_per_s", load["events_per_s"])
    add("events_per_frame", load["events_per_frame"])
    if cpu > 0:
        add("events_per_cpu_s", events / cpu)
        add("mb_per_cpu_s", load["window_bytes"] / cpu / 1e6)
    if events > 0:
        add("cpu_ns_per_event", cpu / events * 1e9)
    if load["window_client_cpu_s"] > 0:
        add("client_events_per_cpu_s", events / load["window_client_cpu_s"])
    latency = load["latency_ns"]
    if latency["count"]:
        for name in ("p50", "p99", "p999", "max"):
            add(name + "_ms", latency[name] / 1e6)
        results.curves[scenario, server, point] = latency["curve"]
    add("rss_mb", load["server_end"]["rss_kb"] / 1024)
    grown = load["server_ready"]["pss_kb"] - load["server_before"]["pss_kb"]
    if load["streams_ready"] >= 1000:
        add("kb_per_stream", grown / load["streams_ready"])
    results.raw.append({"scenario": scenario, "server": server, "point": point, "held": outcome.held,
                        "reasons": outcome.reasons, "load": load, "publish": outcome.publisher})


def summary(outcome):
    load = outcome.load
    cpu = load["window_server_cpu_s"]
    text = f"{load['events_per_s'] / 1e6:.3f} M events/s"
    if cpu > 0:
        text += f", {load['window_events'] / cpu / 1e6:.2f} M per CPU s"
    if load["latency_ns"]["count"]:
        text += f", p50 {load['latency_ns']['p50'] / 1e6:.2f} ms, p99 {load['latency_ns']['p99'] / 1e6:.2f} ms"
    return text + ("" if outcome.held else "  NOT HELD: " + "; ".join(outcome.reasons))
