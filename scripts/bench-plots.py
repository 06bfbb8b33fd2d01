"""bench-plots.py FOLDER TSV…: SVG plots of samples, lines of `part case peer x metric value`.

Readable on white and on black: no background, and colours and greys that stand out from both. Text stays text, so that files are small.
"""

import collections
import pathlib
import statistics
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

GREY = "#808488"
OURS = "#e8590c"
# Told apart in all common kinds of colour blindness, together with their markers.
COLOURS = ["#e8590c", "#228be6", "#2f9e44", "#be4bdb", "#c99700", "#0c9a9a", "#e64980", "#7d7f85"]
MARKERS = "osD^vP*X"

plt.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "apus",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": GREY,
        "axes.labelcolor": GREY,
        "axes.edgecolor": GREY,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "grid.color": GREY,
        "grid.alpha": 0.3,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
    }
)

PEERS = {
    "apus": "Apus", "go": "Go net/http", "aiohttp": "aiohttp+uvloop", "asyncio": "aiohttp+asyncio", "ahc": "AsyncHTTPClient",
    "hummingbird": "Hummingbird", "uvloop": "uvloop",
}  # fmt: skip
WHAT = {"client": "Client", "server": "Server"}

# What is drawn in one plot of growth, with the words for each line; the words below it.
GROWTH = {
    "growth-connections": (
        "CPU per request as connections and hosts grow",
        "connections, or hosts",
        {
            "client-busy": "client, all at work",
            "client-idle": "client, 64 at work, the others idle",
            "client-hosts": "client, as many hosts",
            "server-busy": "server, all at work",
            "server-idle": "server, 64 at work, the others idle",
        },
    ),
    "growth-timers-and-tasks": (
        "CPU per operation as timers and tasks grow",
        "timers, or tasks",
        {
            "timer-cancel": "start and cancel a timer beside as many",
            "timer-replace": "cancel one of as many, start another",
            "timer-fire": "a sleep beside as many timers",
            "task-spawn": "spawn and await beside as many sleepers",
            "task-turns": "a yield of as many that take turns",
            "task-gather": "one of as many of a gather",
            "task-sleep": "one of as many that sleep and wake",
        },
    ),
    "growth-tables": (
        "CPU per operation as cookies, names and waiters grow",
        "cookies, names, or waiters",
        {
            "cookie-find": "find a cookie",
            "cookie-store": "set a cookie",
            "name-find": "find a name in the cache",
            "queue-waiters": "an element through a queue with as many waiters",
            "semaphore-waiters": "a turn at a semaphore that as many want",
        },
    ),
}

folder = pathlib.Path(sys.argv[1])
# samples[part][case][metric][peer][x] = [value…]
samples = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list)))))
for name in sorted(sys.argv[2:]):
    for line in pathlib.Path(name).read_text().splitlines():
        fields = line.split("\t")
        if len(fields) != 6:
            continue
        part, case, peer, x, metric, value = fields
        try:
            samples[part][case][metric][peer][x].append(float(value))
        except ValueError:
            continue


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def save(figure, name):
    path = folder / f"{name}.svg"
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    print(f"Drawn: {name}.svg")


def called(peer):
    return PEERS.get(peer, peer)


def order(values):
    """Apus first, then the fastest."""
    return sorted(values, key=lambda peer: (peer != "apus", statistics.median(values[peer])))


def bars(part, case, x, values, name):
    """CPU per request by peer: the median, with lowest and highest."""
    peers = order(values)
    medians = [statistics.median(values[peer]) for peer in peers]
    figure, axes = plt.subplots(figsize=(6.4, 0.75 + 0.34 * len(peers)))
    for row, (peer, median) in enumerate(zip(peers, medians)):
        low, high = min(values[peer]), max(values[peer])
        axes.barh(row, median, height=0.62, color=OURS if peer == "apus" else "#5c8fbd", alpha=0.9)
        axes.errorbar(median, row, xerr=[[median - low], [high - median]], color=GREY, capsize=2.5, linewidth=1)
        ratio = "" if peer == "apus" or "apus" not in values else f" (Apus ÷ this: {medians[0] / median:.2f})"
        axes.annotate(f"{number(median)} µs{ratio}", (high, row), (6, 0), textcoords="offset points", va="center", fontsize=8.5, color=GREY)
    axes.set_yticks(range(len(peers)), [called(peer) for peer in peers])
    axes.invert_yaxis()
    axes.set_xlim(0, max(max(v) for v in values.values()) * 1.45)
    axes.set_xlabel("CPU µs per request, median with lowest and highest: less is better")
    axes.set_title(f"{WHAT.get(part, part)}, {case}{words_of(x)}: CPU per request, and its ratio")
    save(figure, name)


def words_of(x):
    return "" if x in ("-", "") else f", {int(x):,} connection{'s' if x != '1' else ''}" if x.isdigit() else f", {x}"


def latencies(part, case, x, metrics, name):
    """p50, p99 and p99.9 by peer, one line each."""
    steps = [m for m in ("p50", "p99", "p999") if m in metrics]
    peers = {peer for step in steps for peer in metrics[step] if metrics[step][peer].get(x)}
    first = {peer: metrics[steps[0]][peer].get(x, [0]) for peer in peers}
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    for index, peer in enumerate(order(first)):
        points = [(step, statistics.median(metrics[step][peer][x])) for step in steps if metrics[step].get(peer, {}).get(x)]
        axes.plot([steps.index(step) for step, _ in points], [value for _, value in points], color=COLOURS[index % 8],
                  marker=MARKERS[index % 8], markersize=5, linewidth=2.2 if peer == "apus" else 1.3, label=called(peer))  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(steps)), [{"p50": "p50", "p99": "p99", "p999": "p99.9"}[s] for s in steps])
    axes.set_ylabel("latency, µs (logarithmic)")
    axes.grid(axis="y")
    axes.set_title(f"{WHAT.get(part, part)}, {case}{words_of(x)}: latency, medians of the rounds")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    save(figure, name)


def curves(lines, title, label, name, unit="CPU µs per operation"):
    """Growth: a line each of medians with lowest and highest, over a logarithmic axis."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    for index, (words, values) in enumerate(lines):
        xs = sorted((x for x in values if x.isdigit()), key=int)
        medians = [statistics.median(values[x]) for x in xs]
        places = [int(x) for x in xs]
        colour = COLOURS[index % 8]
        axes.fill_between(places, [min(values[x]) for x in xs], [max(values[x]) for x in xs], color=colour, alpha=0.18, linewidth=0)
        ratio = f" (×{medians[-1] / medians[0]:.2f})" if len(medians) > 1 and medians[0] else ""
        axes.plot(places, medians, color=colour, marker=MARKERS[index % 8], markersize=4.5, linewidth=1.6, label=words + ratio)
    axes.set_xscale("log")
    every = [value for _, values in lines for each in values.values() for value in each]
    # From zero, so that a few per cent do not look like a mountain; where the lines lie far apart that would press them together.
    is_wide = max(every) > 5 * min(every)
    if is_wide:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axes.set_ylim(0, max(every) * 1.1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    axes.set_ylabel(unit + (" (logarithmic)" if is_wide else ""))
    axes.grid(axis="both")
    axes.set_title(f"{title}\n(×: at the largest, by the smallest)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    save(figure, name)


for part in ("client", "server"):
    for case, metrics in sorted(samples.get(part, {}).items()):
        cpu = metrics.get("cpu", {})
        xs = sorted({x for peer in cpu for x in cpu[peer]}, key=lambda x: (not x.isdigit(), int(x) if x.isdigit() else 0, x))
        plain = "".join(c if c.isalnum() else "-" for c in case.lower()).strip("-")
        for x in xs:
            values = {peer: cpu[peer][x] for peer in cpu if cpu[peer].get(x)}
            suffix = "" if len(xs) == 1 else f"-{x}"
            if len(values) > 1:
                bars(part, case, x, values, f"{part}-{plain}{suffix}-cpu")
            if any(metrics.get("p50", {}).get(peer, {}).get(x) for peer in list(metrics.get("p50", {}))):
                latencies(part, case, x, metrics, f"{part}-{plain}{suffix}-latency")
        if sum(x.isdigit() for x in xs) > 1:
            lines = [(called(peer), cpu[peer]) for peer in sorted(cpu, key=lambda p: (p != "apus", p)) if cpu[peer]]
            curves(lines, f"{WHAT[part]}, {case}: CPU per request by connections", "connections", f"{part}-{plain}-growth", "CPU µs per request")

for name, (title, label, words) in GROWTH.items():
    cases = samples.get("growth", {})
    lines = [(words[case], cases[case]["cpu"]["apus"]) for case in words if case in cases]
    if lines:
        curves(lines, title, label, name)


def task_ratios(cases):
    """What each peer takes, by what Apus does: a row each of wall time; a sleeping task's is mostly sleep, so there it is CPU time."""
    peers = ["swift", "uvloop", "asyncio", "go"]
    words = {"swift": "plain Swift", "go": "Go", "asyncio": "asyncio"}
    rows = [case for case in cases if cases[case].get("wall", {}).get("apus")]
    figure, axes = plt.subplots(figsize=(6.4, 0.9 + 0.3 * len(rows)))
    for index, peer in enumerate(peers):
        points = []
        for row, case in enumerate(rows):
            metric = cases[case]["cpu" if case == "sleepers" else "wall"]
            values = {who: [v for each in metric.get(who, {}).values() for v in each] for who in ("apus", peer)}
            if values[peer] and min(values["apus"]) > 0:
                points.append((statistics.median(values[peer]) / statistics.median(values["apus"]), row))
        axes.plot([x for x, _ in points], [y for _, y in points], linestyle="", marker=MARKERS[index + 1], color=COLOURS[index + 1],
                  markersize=6, label=words.get(peer, peer))  # fmt: skip
    axes.axvline(1, color=OURS, linewidth=1.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.set_xlabel("wall time of this ÷ that of Apus (logarithmic): right of the line is slower than Apus")
    axes.set_title("Tasks, timers, queues and threads beside Apus, medians")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    save(figure, "tasks-ratios")


if samples.get("tasks"):
    task_ratios(samples["tasks"])
