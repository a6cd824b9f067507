# plots.py - draws results with gnuplot
# SPDX-License-Identifier: MIT
import os
import shutil
import subprocess

from .session import BenchError

# One colour per server in every picture.
COLOURS = {"freshet": "#1f6fb4", "floor": "#8a8a8a", "node": "#3c9a3c", "nchan": "#c0504d"}
OTHER_COLOURS = ["#8064a2", "#d98e04", "#17a2a2"]
HEAD = """set terminal pngcairo size 900,500 font 'sans,11' background rgb 'white'
set border 3 lc rgb '#666666'
set grid ytics lc rgb '#dddddd' lt 1
set tics nomirror
set key top left reverse Left
set style fill solid 0.9
set pointintervalbox 0
"""


def colour(server):
    return COLOURS.get(server, OTHER_COLOURS[sum(map(ord, server)) % len(OTHER_COLOURS)])


def draw(path, script):
    result = subprocess.run(["gnuplot"], input=f"{HEAD}set output '{os.path.basename(path)}'\n{script}",
                            cwd=os.path.dirname(path), text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            check=False)
    if result.returncode != 0:
        raise BenchError(f"gnuplot, {os.path.basename(path)}: " + " ".join(result.stderr.split()))
    return True


def block(name, rows):
    return f"${name} << EOD\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows) + "EOD\n"


def lines(path, title, xlabel, ylabel, series, extra=""):
    """series: {server: [(x, median, min, max)]}."""
    series = {server: rows for server, rows in series.items() if rows}
    if not series:
        return False
    script = f"set title '{title}'\nset xlabel '{xlabel}'\nset ylabel '{ylabel}'\nset yrange [0:*]\n{extra}\n"
    for i, rows in enumerate(series.values()):
        script += block(f"d{i}", rows)
    script += "plot " + ", ".join(
        f"$d{i} using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.8 lc rgb '{colour(server)}' title '{server}'"
        for i, server in enumerate(series)) + "\n"
    return draw(path, script)


def bars(path, title, ylabel, rows, extra=""):
    """rows: [(label, server, median, min, max)]."""
    if not rows:
        return False
    script = f"set title '{title}'\nset ylabel '{ylabel}'\nset boxwidth 0.6\nset xrange [-0.6:{len(rows) - 0.4}]\n"
    script += f"{extra if 'logscale' in extra else 'set yrange [0:*]'}\nset key off\n"
    script += "set xtics (" + ", ".join(f"'{row[0]}' {i}" for i, row in enumerate(rows)) + ")\n"
    for i, row in enumerate(rows):
        script += block(f"d{i}", [(i, *row[2:])])
    script += "plot " + ", ".join(
        f"$d{i} using 1:2 with boxes lc rgb '{colour(row[1])}' notitle, "
        f"$d{i} using 1:2:3:4 with yerrorbars lc rgb '#333333' pt 7 ps 0.4 notitle, "
        f"$d{i} using 1:4:(sprintf('%.3g', $2)) with labels offset 0,0.8 notitle" for i, row in enumerate(rows)) + "\n"
    return draw(path, script)


def latency(path, title, curves):
    """curves: {server: [[share, ns]]}: the higher percentiles are stretched, as each is ten times rarer."""
    if not curves:
        return False
    ticks = [0, 0.5, 0.9, 0.99, 0.999, 0.9999]
    script = (f"set title '{title}'\nset xlabel 'percentile'\nset ylabel 'publish to receive, ms'\n"
              "set logscale xy\nset xrange [1:20000]\n"
              "set xtics (" + ", ".join(f"'{100 * t:g} %%' {1 / (1 - t):.0f}" for t in ticks) + ")\n")
    for i, curve in enumerate(curves.values()):
        script += block(f"d{i}", [(1 / (1 - share), ns / 1e6) for share, ns in curve if share <= 0.9999])
    script += "plot " + ", ".join(f"$d{i} with linespoints lw 2 pt 7 ps 0.5 lc rgb '{colour(server)}' title '{server}'"
                                  for i, server in enumerate(curves)) + "\n"
    return draw(path, script)


def number(point):
    """The number a point's name begins with: '10,000 streams' is 10000."""
    return float(point.split()[0].replace(",", "").split("/")[0])


def series(results, scenario, metric, factor=1):
    found = {}
    for server in results.servers(scenario):
        rows = []
        for point in results.points(scenario):
            v = results.of(scenario, server, point, metric)
            if v["n"]:
                rows.append((number(point), v["median"] * factor, v["min"] * factor, v["max"] * factor))
        found[server] = sorted(rows)
    return found


def ratio_rows(results, point):
    key = ("saturate", "freshet", point, "events_per_cpu_s")
    own = results.median(*key)
    rows = []
    for server in results.servers("saturate"):
        value = results.of("saturate", server, point, "events_per_cpu_s")
        if server != "freshet" and own and value["n"]:
            rows.append((f"against {server}", server, own / value["median"], own / value["max"], own / value["min"]))
    return rows


def draw_all(results, folder):
    """Returns [(file, caption)] of what could be drawn."""
    if shutil.which("gnuplot") is None:
        return []
    os.makedirs(folder, exist_ok=True)
    drawn = []

    def keep(done, path, caption):
        if done:
            drawn.append((os.path.basename(path), caption))

    def at(name):
        return os.path.join(folder, name + ".png")

    streams = "set logscale x\nset xtics (10, 20, '100' 100, '1,000' 1000, '10,000' 10000, '100,000' 100000)"
    point = "highest rate held"
    rows = []
    for server in results.servers("saturate"):
        v = results.of("saturate", server, point, "events_per_s")
        if v["n"]:
            rows.append((server, server, v["median"] / 1e6, v["min"] / 1e6, v["max"] / 1e6))
    keep(bars(at("saturate"), "saturate: highest rate held with nothing lost", "million events/s", rows),
         at("saturate"), "Events per second, 1,000 streams on one subject, at the highest rate held")
    keep(bars(at("ratios"), "saturate: events per CPU second, Freshet against the others", "ratio",
              ratio_rows(results, point), "set logscale y\nset yrange [0.1:*]"),
         at("ratios"), "How many times the events per CPU second (1 = the same)")
    for name, metric, label, factor in (
            ("throughput", "events_per_cpu_s", "million events per CPU second", 1e-6),
            ("memory", "kb_per_stream", "KB a stream", 1)):
        keep(lines(at(name), f"wide: {label}", "streams", label, series(results, "wide", metric, factor), streams),
             at(name), f"{label[0].upper()}{label[1:]} against the number of streams")
    for p in results.points("steady"):
        curves = {server: results.curves["steady", server, p] for server in results.servers("steady")
                  if ("steady", server, p) in results.curves}
        name = "latency-" + p.replace("/", "-per-")
        keep(latency(at(name), f"steady: latency at {p} to each of the streams", curves), at(name),
             f"Publish to receive at {p}")
    sizes = "set logscale x 2\nset xtics (16, 128, 1024, 8192, 65536)"
    keep(lines(at("sizes"), "sizes: MB per CPU second", "payload, bytes", "MB per CPU second",
               series(results, "sizes", "mb_per_cpu_s"), sizes), at("sizes"), "Bytes per CPU second by size of payload")
    keep(lines(at("workers"), "workers: highest rate held", "workers", "million events/s",
               series(results, "workers", "events_per_s", 1e-6)), at("workers"), "Events per second by number of workers")
    return drawn
