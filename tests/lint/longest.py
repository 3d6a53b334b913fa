#!/usr/bin/env python3
"""Functions of more than 100 lines are refused; the ten longest and the median are printed.

What may be longer is a table or a switch over states, and stands in ALLOWED with its reason.
"""
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import tree

LIMIT = 100
# (path, function): why it reads better in one piece.
ALLOWED = {}

HEAD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*\(")


def head_start(lines, opening):
    """The line on which the head of the function whose `{` stands at `opening` begins."""
    start = opening
    while start > 0 and lines[start - 1].strip() and not lines[start - 1].rstrip().endswith((";", "}", "*/")) \
            and not lines[start - 1].startswith("#"):
        start -= 1
    return start


def functions(source):
    """(name, first line, length) of each: a body opens and closes at the left margin."""
    lines = tree.without_comments(source, keep_texts=False).splitlines()
    opening = None
    for number, line in enumerate(lines):
        if line.rstrip() == "{":
            opening = number
        elif line.startswith("}") and opening is not None:
            start = head_start(lines, opening)
            name = HEAD.search(" ".join(lines[start:opening]))
            if name:
                yield name.group(1), start + 1, number - start + 1
            opening = None


def main():
    base = tree.root()
    sources = tree.files(base, tree.SOURCES, (".c", ".h"))
    found = [(length, f"{path}:{line}", path.as_posix(), name)
             for path in sources for name, line, length in functions(tree.text(base, path))]
    found.sort(reverse=True)
    for length, place, _, name in found[:10]:
        print(f"{length:5} lines  {place} {name}")
    if found:
        print(f"median {statistics.median(length for length, *_ in found):.0f} lines of {len(found)} functions")
    findings = [f"{place}: {name} has {length} lines; {LIMIT} are the most"
                for length, place, path, name in found if length > LIMIT and (path, name) not in ALLOWED]
    tree.finish("longest", findings, len(sources))


main()
