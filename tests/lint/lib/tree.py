"""What the lints share: which files there are, C without its comments, and how a lint ends.

A lint is called with the folder to look at as its only argument; left out, it is this repository.
"""
import os
import pathlib
import re
import shutil
import sys

PRODUCT = ("conf", "filters", "gateway", "plugins", "routing")
SOURCES = PRODUCT + ("tests",)
SKIPPED = 77


def root():
    if len(sys.argv) > 1:
        return pathlib.Path(sys.argv[1]).resolve()
    return pathlib.Path(__file__).resolve().parents[3]


def files(base, folders, suffixes):
    """Paths relative to `base`, sorted."""
    found = []
    for folder in folders:
        for path, inner, names in os.walk(base / folder):
            inner[:] = [name for name in inner if name not in ("__pycache__", "node_modules", "corpus")]
            found += [pathlib.Path(path, name) for name in names if name.endswith(suffixes)]
    return sorted(path.relative_to(base) for path in found)


def text(base, path):
    return (base / path).read_text(encoding="utf-8")


_COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def without_comments(source, keep_texts=True):
    """C with comments (and the insides of texts) blanked; lines stay where they are."""

    def blank(match):
        found = match.group()
        if found[0] == "/":
            return " " + "\n" * found.count("\n")
        return found if keep_texts else found[0] + found[-1]

    return _COMMENT_OR_TEXT.sub(blank, source)


def need(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        print(f"SKIP: {', '.join(missing)} not installed")
        sys.exit(SKIPPED)


def finish(name, findings, count):
    for finding in findings:
        print(finding)
    if findings:
        print(f"{name}: {len(findings)} findings")
        sys.exit(1)
    print(f"{name}: ok ({count} files)")
    sys.exit(0)
