# report.py - results as Markdown
# SPDX-License-Identifier: MIT
import os

from . import scenarios, wrk
from .results import METRICS

TITLES = {name: entry[0].__doc__ for name, entry in scenarios.SCENARIOS.items()}
TITLES["wrk"] = wrk.run.__doc__


def figure(value):
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.2f} M"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"


def spread(v):
    if v["n"] == 0:
        return "–"
    if v["n"] == 1:
        return figure(v["median"])
    return f"{figure(v['median'])} ({figure(v['min'])} … {figure(v['max'])})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def scenario_table(results, scenario):
    metrics = results.metrics(scenario)
    rows = []
    for point in results.points(scenario):
        for server in results.servers(scenario):
            values = [results.of(scenario, server, point, metric) for metric in metrics]
            if any(v["n"] for v in values):
                rows.append([point, server, *map(spread, values)])
    return table(["", "", *(f"{metric}<br>{METRICS[metric][0]}" for metric in metrics)], rows)


def target_table(targets):
    words = {True: "yes", False: "**no**", None: "not measured"}
    return table(["target", "bound", "measured", "met"],
                 [[t["target"], t["bound"], figure(t["value"]), words[t["met"]]] for t in targets])


def comparison(before, rows):
    out = ["", "## Against an earlier run", "",
           f"Commit {before['commit']} of {before['when']}, on {before['machine']['cpu']}. "
           "Figures of two runs differ by what else the machine did; ratios within one run are what counts.", ""]
    body = []
    for scenario, server, point, metric, old, new, change in rows:
        better = METRICS[metric][1]
        mark = "" if better is None or abs(change) < 10 else (" better" if (change > 0) == better else " **worse**")
        body.append([scenario, server, point, f"{metric} ({METRICS[metric][0]})", figure(old), figure(new),
                     f"{change:+.1f} %{mark}"])
    return out + table(["scenario", "server", "point", "metric", "before", "now", "change"], body)


def write(path, results, targets, plots, commands, against):
    h = results.head
    m = h["machine"]
    out = ["# Benchmark report", "",
           f"{h['when']}, commit {h['commit']}, `{h['command']}`. {m['cpu']}, {m['cores']} processors, "
           f"{m['memory_gib']} GiB, Linux {m['kernel']}, load average at the start {m['load_average']}. "
           "Servers, broker, publisher and client share this machine.", ""]
    out += table(["server", "version"], [[name, version] for name, version in h["peers"].items()] +
                 [[name, f"**missing**: {why}"] for name, why in h["missing"].items()])
    out += ["", "Figures are medians of the repetitions, with (min … max) where there are several.", ""]
    if targets:
        out += ["## Targets", "", *target_table(targets), ""]
    if plots:
        out += ["## Plots", ""]
        for file, caption in plots:
            out += [f"![{caption}]({file})", ""]
    for scenario in results.scenarios():
        out += [f"## {scenario}", "", TITLES.get(scenario) or "", "", *scenario_table(results, scenario), ""]
    if against is not None:
        out += comparison(*against)
    if results.notes:
        out += ["", "## What went wrong", ""] + [f"- {note}" for note in results.notes]
    out += ["", "## Command lines", "", "<details><summary>all that were run</summary>", "", "```", *commands, "```", "",
            "</details>", ""]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out))


BEGIN, END = "<!-- latest report: written by scripts/bench --readme -->", "<!-- end of the latest report -->"


def update_readme(path, results, targets, plots, folder):
    """Puts targets and plots of this run between the two marks of bench/README.md."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    m = results.head["machine"]
    out = [BEGIN, "", f"Of {results.head['when'][:10]}, commit {results.head['commit']}, on {m['cpu']}, {m['cores']} "
           f"processors, Linux {m['kernel']}. All figures, with minimum and maximum: [{folder}/report.md]({folder}/report.md).",
           "", *target_table(targets), ""]
    for file, caption in plots:
        out += [f"![{caption}]({folder}/{file})", ""]
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + "\n".join(out).rstrip("\n") + "\n\n" + END + after)


def paths(folder):
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, "report.md"), os.path.join(folder, "results.json")
