#!/usr/bin/env python3
"""Threads start in three places: workers, the reader of KV events, and plugins in their own process."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import tree

ALLOWED = ("gateway/io/worker.c", "routing/kv_events.c", "plugins/")
STARTS = re.compile(r"\b(pthread_create|thrd_create|clone|clone3|SYS_clone|SYS_clone3|timer_create|SIGEV_THREAD)\b")


def main():
    base = tree.root()
    sources = tree.files(base, tree.PRODUCT, (".c", ".h"))
    findings = []
    for path in sources:
        if path.as_posix().startswith(ALLOWED):
            continue
        source = tree.without_comments(tree.text(base, path), keep_texts=False)
        for number, line in enumerate(source.splitlines(), 1):
            found = STARTS.search(line)
            if found:
                findings.append(f"{path}:{number}: {found.group()}: threads start in {', '.join(ALLOWED)}")
    tree.finish("threads", findings, len(sources))


main()
