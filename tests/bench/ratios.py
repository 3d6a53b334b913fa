#!/usr/bin/env python3
"""ratios.py FOLDER: what sluice needs in parts of the best peer's, a row for each test and figure, from results.jsonl.

Below 1.00 sluice is better than every peer measured. The best peer is chosen anew for each row; `direct` (no proxy) and
`relay` (parses nothing) are floors, not peers. Runs that other work disturbed are left out where three better ones exist.
"""
import json
import pathlib
import statistics
import sys

OURS = ("sluice", "inspected", "priced")
FLOORS = ("direct", "relay")
# Beginning of a test's name, and the figures that are compared: all of them are better when smaller.
FIGURES = [
    ("lat", {"lat_p50_us": "delay p50 us", "lat_p99_us": "delay p99 us"}),
    ("sse", {"cpu_s_M": "CPU s per M events", "delay_p50_us": "one-way delay p50 us", "delay_p99_us": "one-way delay p99 us",
             "rss_kb_stream": "KiB per stream"}),
    ("idle", {"rss_b_conn": "bytes per idle connection"}),
    ("", {"cpu_us": "CPU us per request"}),
]
# Of a processor, taken by other work: more of it and the run says little.
OTHER_PROXY_CPU, OTHER_LOAD_CPU = 0.08, 0.2


def is_disturbed(run):
    return run.get("other_proxy_cpu", 0) > OTHER_PROXY_CPU or run.get("other_load_cpu", 0) > OTHER_LOAD_CPU


def medians(runs):
    """{(test, figure): {proxy: median}}."""
    kept = {}
    for run in runs:
        kept.setdefault((run["test"], run["peer"]), []).append(run)
    table = {}
    for (test, peer), of_both in kept.items():
        quiet = [run for run in of_both if not is_disturbed(run)]
        figures = next(figures for start, figures in FIGURES if test.startswith(start))
        for figure in figures:
            values = [run[figure] for run in (quiet if len(quiet) >= 3 else of_both) if figure in run]
            if values:
                table.setdefault((test, figures[figure]), {})[peer] = statistics.median(values)
    return table


def row(test, words, of):
    peers = {peer: value for peer, value in of.items() if peer not in OURS + FLOORS}
    best = min(peers, key=peers.get, default=None)
    cells = [test, words, f"{best} {peers[best]:,.6g}" if best else "-"]
    for name in OURS:
        value, ratio = of.get(name), "-"
        if value is not None and best and peers[best] > 0:
            ratio = f"{value / peers[best]:.2f}"
        cells += [f"{value:,.6g}" if value is not None else "-", ratio]
    return cells


def main(folder):
    runs = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    rows = [["test", "figure", "best peer"] + [cell for name in OURS for cell in (name, "ratio")]]
    tests = list(dict.fromkeys(run["test"] for run in runs))
    rows += [row(test, words, of) for (test, words), of in sorted(medians(runs).items(), key=lambda item: tests.index(item[0][0]))
             if set(of) & set(OURS)]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    for cells in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())
    bad = {run["peer"]: run["bad"] for run in runs if run.get("bad") and run["peer"] in OURS}
    if bad:
        print(f"bad answers, so the figures stand for nothing: {bad}")
    return 1 if bad else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
