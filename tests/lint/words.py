#!/usr/bin/env python3
"""Words that do not stay: promises to finish later, and names that the glossary has others for."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import tree

# Word, where it is looked for, and what is said instead.
WORDS = [
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), tree.SOURCES + ("docker",), "finish it, or mark an open decision NEEDSWORK"),
    (re.compile(r"\bdownstream\b", re.IGNORECASE), tree.PRODUCT, "the sides are client and endpoint"),
]
SUFFIXES = (".c", ".h", ".def", ".py", ".sh", ".md", ".txt", ".yaml", ".js", ".mjs", "Dockerfile", "check", "demo")


def main():
    base = tree.root()
    own = "tests/lint/"
    findings, looked = [], set()
    for word, folders, instead in WORDS:
        for path in tree.files(base, folders, SUFFIXES):
            if path.as_posix().startswith(own):
                continue
            looked.add(path)
            for number, line in enumerate(tree.text(base, path).splitlines(), 1):
                found = word.search(line)
                if found:
                    findings.append(f"{path}:{number}: {found.group()}: {instead}")
    tree.finish("words", findings, len(looked))


main()
