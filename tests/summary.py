#!/usr/bin/env python3
"""Sums ctest's results: the last line of ./check.

A scenario prints `SKIP: why` for each part it had to leave out; those count as skipped beside the
tests that ctest itself skipped. A build that failed counts as a failed test.
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def main(folder):
    passed, failed, skipped = 0, [], []
    for path in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            name = f"{path.stem}: {case.get('name')}"
            output = case.findtext("system-out") or ""
            reasons = [line[6:] for line in output.splitlines() if line.startswith("SKIP: ")]
            if case.find("failure") is not None or case.get("status") == "fail":
                failed.append(name)
            elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
                skipped += [f"{name}: {reason}" for reason in reasons or ["not run"]]
                continue
            else:
                passed += 1
            skipped += [f"{name}: {reason}" for reason in reasons]
    builds = folder / "failed-builds"
    if builds.exists():
        failed += builds.read_text().split("\n")[:-1]
    for kind, names in (("skipped", skipped), ("failed", failed)):
        for name in names:
            print(f"{kind}: {name}")
    if not passed:
        failed = failed or ["nothing ran"]
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
