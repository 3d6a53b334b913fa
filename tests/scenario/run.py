#!/usr/bin/env python3
"""Runs scenarios: `run.py test_slow` or `run.py test_slow.Slow.test_...`, from any folder.

$SLUICE_BUILD is the build folder whose binaries are tested (default: build/). Skipped tests print a
line `SKIP: why` each, which ./check counts; exit status 77 when nothing but skips was left.
"""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True


def main(names):
    suite = unittest.defaultTestLoader.loadTestsFromNames(names or [path.stem for path in sorted(HERE.glob("test_*.py"))])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    for test, why in result.skipped:
        print(f"SKIP: {test}: {why}")
    if not result.wasSuccessful():
        return 1
    return 77 if result.skipped and len(result.skipped) >= result.testsRun else 0


sys.exit(main(sys.argv[1:]))
