#!/usr/bin/env python3
"""Twelve lines of code that stand in two places are a function that nobody has written yet.

Comments, blank lines, includes and lines of brackets only do not count; spaces make no difference.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import tree

RUN = 12
NOTHING = re.compile(r"[\s{}();,]*$")


def code_lines(source):
    """(number, what it says) of each line that counts."""
    said = []
    for number, line in enumerate(tree.without_comments(source).splitlines(), 1):
        if not NOTHING.match(line) and not line.lstrip().startswith("#include"):
            said.append((number, re.sub(r"\s+", "", line)))
    return said


def run_length(a, i, b, k):
    """How many lines from a[i] and b[k] on are the same."""
    same = 0
    while i + same < len(a) and k + same < len(b) and a[i + same][1] == b[k + same][1]:
        same += 1
    return same


def repeats(codes):
    """(path, line, other path, other line, length) of each run, once."""
    seen = {}
    for path, code in codes.items():
        i = 0
        while i + RUN <= len(code):
            key = tuple(said for _, said in code[i:i + RUN])
            other, k = seen.setdefault(key, (path, i))
            if (other, k) == (path, i) or (other == path and k + RUN > i):
                i += 1
                continue
            length = run_length(codes[other], k, code, i)
            yield path, code[i][0], other, codes[other][k][0], length
            i += length


def main():
    base = tree.root()
    sources = tree.files(base, tree.SOURCES, (".c", ".h"))
    codes = {path: code_lines(tree.text(base, path)) for path in sources}
    findings = [f"{path}:{line}: {length} lines as at {other}:{other_line}"
                for path, line, other, other_line, length in repeats(codes)]
    tree.finish("repeats", findings, len(sources))


main()
