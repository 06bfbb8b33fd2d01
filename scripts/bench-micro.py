"""bench-micro.py FOLDER TSV: the table of what the benchmark package has exported (JMH's format) into FOLDER, and its samples as TSV."""

import json
import pathlib
import statistics
import sys

# The operations of a sample: Micro's scaling factor.
PER_SAMPLE = 1000

folder, samples = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
elements = json.loads(next(folder.rglob("*.jmh.json")).read_text())


def metric(element, words):
    for name, value in element["secondaryMetrics"].items():
        if words in name.lower():
            return value["rawData"][0]
    return []


def figure(value):
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


rows, lines, counted = [], [], False
for element in elements:
    name = element["benchmark"].split(".", 3)[3].replace("_", " ")
    wall = [each / PER_SAMPLE for each in metric(element, "wall clock")]
    cpu = [each / PER_SAMPLE for each in metric(element, "cpu total") or metric(element, "total")]
    instructions = [each / PER_SAMPLE for each in metric(element, "instructions")]
    counted = counted or any(instructions)
    rows.append((name, wall, cpu, instructions))
    for unit, values in (("wall", wall), ("cpu", cpu)):
        lines += [f"micro\t{name}\tapus\t-\t{unit}\t{value:.4f}\n" for value in values]
samples.write_text("".join(lines))

print("µs of one operation: the median of all samples (lowest–highest) by the wall clock, and the mean of CPU time of all threads.")
if not counted:
    print("Instructions were not counted: this machine gives no hardware counters to its programs (`perf_event_open` refuses them); `./run bench --check` counts them by callgrind.")
print()
print("| operation | wall clock | CPU |" + (" instructions |" if counted else ""))
print("|---|---|---|" + ("---|" if counted else ""))
for name, wall, cpu, instructions in sorted(rows):
    wall_words = f"{figure(statistics.median(wall))} ({figure(min(wall))}–{figure(max(wall))})" if wall else "–"
    # The mean: the kernel's clock of CPU time is coarse beside such a sample.
    cpu_words = figure(statistics.fmean(cpu)) if cpu else "–"
    line = f"| {name} | {wall_words} | {cpu_words} |"
    print(line + (f" {statistics.median(instructions):,.0f} |" if counted and instructions else ""))
