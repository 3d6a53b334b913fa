#!/usr/bin/env python3
"""Generated files are what their script makes of what is probed and committed; nobody edits them."""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import tree

# Each writes its files into the folder that it is given; theirs is the one that it lies in.
SCRIPTS = ("gateway/token/unicode_tables.py",)


def made_by(script, folder):
    """The files that the script makes; none where it says that it cannot."""
    done = subprocess.run([sys.executable, script, folder], text=True, capture_output=True)
    if done.returncode == tree.SKIPPED:
        print(done.stdout.strip())
        sys.exit(tree.SKIPPED)
    if done.returncode != 0:
        return done.stderr
    return sorted(pathlib.Path(folder).iterdir())


def main():
    base = tree.root()
    findings, count = [], 0
    for script in SCRIPTS:
        if not (base / script).exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            made = made_by(base / script, folder)
            if isinstance(made, str):
                findings.append(f"{script}: failed: {made}")
                continue
            for file in made:
                count += 1
                stands = (base / script).parent / file.name
                if not stands.exists() or stands.read_bytes() != file.read_bytes():
                    findings.append(f"{stands.relative_to(base)}: is not what {script} makes; run it")
    tree.finish("generated", findings, count)


main()
