#!/usr/bin/env python3
"""Layout is .clang-format's: nobody reviews it, nobody decides it twice."""
import collections
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import tree


def main():
    base = tree.root()
    tree.need("clang-format")
    sources = tree.files(base, tree.SOURCES, (".c", ".h"))
    wrong = collections.Counter()
    for at in range(0, len(sources), 50):
        some = [path.as_posix() for path in sources[at:at + 50]]
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", *some], cwd=base, text=True, capture_output=True)
        wrong.update(line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line)
    findings = [f"{path}: {count} places; clang-format -i {path}" for path, count in sorted(wrong.items())]
    tree.finish("format", findings, len(sources))


main()
