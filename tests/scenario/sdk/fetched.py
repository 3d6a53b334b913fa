"""Clients from package registries, pinned, installed below the build folder; None with a reason where they cannot be had."""
import os
import pathlib
import shutil
import subprocess
import sys

from lib.harness import BUILD

# The build folders share what was installed: it does not depend on how sluice was built.
FOLDER = BUILD.parent / "build" / "sdk" if BUILD.name.startswith("build") else BUILD / "sdk"

OPENAI_PYTHON = "openai==3.54.0"
TOKENIZERS = "tokenizers==0.23.2"  # what ../shared/vectors were made with
# Who says to be fast, for tests/bench/tokenize.py.
PEERS = (TOKENIZERS, "tiktoken==0.14.0", "gigatoken==0.10.0", "fastokens==0.3.5", "snaptokens==0.2.6", "quicktok-v1==0.4.0", "tokie==0.1.4", "splintr-rs==0.22.0",
         "kitoken==0.11.1")
NVCC = ("nvidia-cuda-nvcc==13.0.88", "nvidia-cuda-crt==13.0.88", "nvidia-nvvm==13.0.88", "nvidia-cuda-runtime==13.0.96")
OPENAI_NODE = "openai@6.49.0"  # the newest that runs on the Node of Debian 12
H2SPEC = "h2spec v2.2.1"
# h2spec's tags know no modules, so they are built as a dependency of one of ours, with libraries that Debian's Go takes.
H2SPEC_MODULE = """module h2spec.local

go 1.17

require (
	github.com/fatih/color v1.15.0
	github.com/spf13/cobra v1.7.0
	github.com/summerwind/h2spec v2.2.1+incompatible
	golang.org/x/net v0.17.0
)
"""


class Missing(Exception):
    """Why a client cannot be had; the test that wants it is skipped with these words."""


def _run(what, *command, folder=None, env=None, seconds=240):
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds, env=env, cwd=folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{what}: {error}") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(f"{what}: {lines[-1] if lines else done.returncode}")


def _once(folder, what, install):
    """Runs install(folder) unless an earlier run has finished it."""
    mark = folder / ("done-" + "".join(c if c.isalnum() else "-" for c in what))
    if mark.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install(folder)
    mark.touch()
    return folder


def _python(name, *packages):
    """The interpreter of a virtual environment that has the packages, in the folder of that name."""
    def install(folder):
        _run("a virtual environment", shutil.which("python3", path="/usr/bin") or sys.executable, "-m", "venv", folder)
        _run(" ".join(packages), folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", *packages)
    return _once(FOLDER / name, " ".join(packages), install) / "bin" / "python"


def openai_python():
    return _python("python", OPENAI_PYTHON)


def tokenizers_python():
    return _python("tokenizers", TOKENIZERS)


def peers_python():
    return _python("peers", *PEERS)


def nvcc():
    """(nvcc, folder of the runtime's headers): the one on the path, or PyPI's."""
    found = shutil.which("nvcc")
    if found:
        return found, pathlib.Path(found).resolve().parents[1] / "include"
    home = next(_python("nvcc", *NVCC).parents[1].glob("lib/python3*/site-packages/nvidia/cu13"), None)
    if not home:
        raise Missing("nvcc: the packages hold no nvidia/cu13")
    return home / "bin" / "nvcc", home / "include"


def openai_node():
    """A folder whose node_modules has the Node SDK."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Missing(f"{OPENAI_NODE}: node and npm are not installed")

    def install(folder):
        (folder / "package.json").write_text('{"private":true,"type":"module"}')
        _run(OPENAI_NODE, "npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error", OPENAI_NODE)
    return _once(FOLDER / "node", OPENAI_NODE, install)


def h2spec():
    if not shutil.which("go"):
        raise Missing("h2spec: go is not installed")

    def install(folder):
        (folder / "go.mod").write_text(H2SPEC_MODULE)
        _run(H2SPEC, "go", "build", "-mod=mod", "-o", folder / "h2spec", "github.com/summerwind/h2spec/cmd/h2spec", folder=folder,
             env={**os.environ, "GOFLAGS": "-buildvcs=false"})
    return _once(FOLDER / "h2spec", H2SPEC, install) / "h2spec"
