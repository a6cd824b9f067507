# results.py - measured values by name, their medians, targets and comparisons
# SPDX-License-Identifier: MIT
"""Every value has a key (scenario, server, point, metric); repeated runs give it several values. Tables, plots, targets
and the comparison with an earlier run all read from here."""

import json
import os
import platform
import statistics
import subprocess
import time

from .session import ROOT

# metric: (unit, is more better?, how to show it)
METRICS = {
    "events_per_s": ("events/s", True),
    "events_per_cpu_s": ("events per CPU second", True),
    "cpu_ns_per_event": ("CPU ns per event", False),
    "cpu_share": ("share of a core", False),
    "client_events_per_cpu_s": ("events per CPU second of the client", True),
    "events_per_frame": ("events per frame", None),
    "messages_per_s": ("messages/s", True),
    "p50_ms": ("ms", False),
    "p99_ms": ("ms", False),
    "p999_ms": ("ms", False),
    "max_ms": ("ms", False),
    "small_p99_ms": ("ms", False),
    "broadcast_s": ("s", False),
    "resume_s": ("s", False),
    "ready_s": ("s", False),
    "kb_per_stream": ("KB a stream", False),
    "rss_mb": ("MB resident", False),
    "mb_per_cpu_s": ("MB per CPU second", True),
    "responses_per_s": ("responses/s", True),
    "handshakes_per_s": ("handshakes/s", True),
    "publishes_per_s": ("publishes/s", True),
}

# Measured everywhere, but shown in tables only where there is no better figure.
BESIDE = {"events_per_s", "mb_per_cpu_s", "max_ms"}

NOTHING = {"median": None, "min": None, "max": None, "n": 0}


def machine():
    cpu = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as f:
        memory = int(f.readline().split()[1]) / (1 << 20)
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": round(memory, 1), "kernel": platform.release(),
            "load_average": round(os.getloadavg()[0], 2)}


def commit():
    def git(*arguments):
        return subprocess.run(["git", "-C", ROOT, *arguments], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False).stdout.strip()
    head = git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "unknown"
    return head + ("-modified" if git("status", "--porcelain", "--untracked-files=no") else "")


class Results:
    def __init__(self, command, options):
        self.head = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit(),
                     "machine": machine(), "command": command, "options": options, "peers": {}, "missing": {}}
        self.values = {}  # (scenario, server, point, metric) -> [value]
        self.curves = {}  # (scenario, server, point) -> latency curve of the last run
        self.raw = []
        self.notes = []

    def add(self, scenario, server, point, metric, value):
        if value is not None:
            self.values.setdefault((scenario, server, point, metric), []).append(value)

    def of(self, scenario, server, point, metric):
        values = self.values.get((scenario, server, point, metric))
        if not values:
            return NOTHING
        return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}

    def median(self, scenario, server, point, metric):
        return self.of(scenario, server, point, metric)["median"]

    def points(self, scenario):
        """The scenario's points in the order in which they were first measured."""
        return list(dict.fromkeys(key[2] for key in self.values if key[0] == scenario))

    def servers(self, scenario):
        return list(dict.fromkeys(key[1] for key in self.values if key[0] == scenario))

    def metrics(self, scenario):
        """Those worth a column; the rest is in results.json."""
        seen = {key[3] for key in self.values if key[0] == scenario}
        return [m for m in METRICS if m in seen and m not in BESIDE]

    def scenarios(self):
        return list(dict.fromkeys(key[0] for key in self.values))

    def write(self, path, targets, commands):
        flat = [{"scenario": s, "server": v, "point": p, "metric": m, "unit": METRICS[m][0], **self.of(s, v, p, m),
                 "values": self.values[s, v, p, m]} for s, v, p, m in self.values]
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**self.head, "targets": targets, "notes": self.notes, "values": flat,
                       "curves": [{"scenario": s, "server": v, "point": p, "curve": c}
                                  for (s, v, p), c in self.curves.items()],
                       "commands": commands, "raw": self.raw}, f, indent=1)
            f.write("\n")


def compare(results, path):
    """Rows (scenario, server, point, metric, before, now, change in percent) of what both runs measured."""
    with open(path, encoding="utf-8") as f:
        before = json.load(f)
    rows = []
    for old in before["values"]:
        new = results.median(old["scenario"], old["server"], old["point"], old["metric"])
        if new is not None and old["median"]:
            rows.append((old["scenario"], old["server"], old["point"], old["metric"], old["median"], new,
                         100 * (new / old["median"] - 1)))
    return before, rows


def ratio(a, b):
    return None if a is None or not b else a / b


def targets(results):
    """Each target, the value measured and whether it meets the target; None where nothing was measured."""
    r = results.median
    sat = ("saturate", "highest rate held", "events_per_cpu_s")

    def saturate(server):
        return r(sat[0], server, sat[1], sat[2])

    def steady(server, rate, metric):
        return r("steady", server, f"{rate}/s", metric)

    wide = [r("wide", "freshet", f"{n:,} streams", "cpu_ns_per_event") for n in (1000, 100000)]
    rows = [
        ("saturate: events per CPU second against the floor", ratio(saturate("freshet"), saturate("floor")), ">=", 0.8),
        ("steady: CPU per event against the floor",
         ratio(steady("freshet", 1000, "cpu_ns_per_event"), steady("floor", 1000, "cpu_ns_per_event")), "<=", 3),
        ("saturate: events per CPU second against Node", ratio(saturate("freshet"), saturate("node")), ">=", 4),
        ("saturate: events per CPU second against nchan", ratio(saturate("freshet"), saturate("nchan")), ">=", 50),
        ("steady: p99 in ms", steady("freshet", 1000, "p99_ms"), "<=", 2),
        ("steady at 1.2 million events/s: p99 against Node",
         ratio(steady("freshet", 1200, "p99_ms"), steady("node", 1200, "p99_ms")), "<=", 0.1),
        ("million: resident KB per stream", r("million", "freshet", "1,000,000 streams", "kb_per_stream"), "<=", 6),
        ("million: seconds for one broadcast", r("million", "freshet", "1,000,000 streams", "broadcast_s"), "<=", 1.2),
        ("million: p99 of a small channel meanwhile, in ms",
         r("million", "freshet", "1,000,000 streams", "small_p99_ms"), "<=", 20),
        ("slow: p99 of the healthy against a run without slow readers",
         ratio(r("slow", "freshet", "one in ten stalled", "p99_ms"), r("slow", "freshet", "none stalled", "p99_ms")),
         "<=", 1.2),
        ("resume: seconds for 10,000 streams × 100 events",
         r("resume", "freshet", "10,000 streams × 100 events", "resume_s"), "<=", 1),
        ("wide: CPU per event, 100,000 streams against 1,000", ratio(wide[1], wide[0]), "<=", 1.5),
        ("idle: share of a core for 100,000 streams", r("idle", "freshet", "100,000 streams", "cpu_share"), "<=", 0.03),
    ]
    return [{"target": name, "value": value, "bound": f"{sign} {bound:g}",
             "met": None if value is None else (value >= bound if sign == ">=" else value <= bound)}
            for name, value, sign, bound in rows]
