#!/usr/bin/env python3
"""corpora.py [FOLDER]: two texts of 10,000,000 bytes each, english.txt and mix.txt, made from named Debian packages.

`english` is the documentation of Perl, Debian and Git. `mix` is 31 % prose, 31 % code, 10 % data and 28 % manual pages in German,
Russian, Japanese and Chinese, in turns of 16 KB. FOLDER (default: build/corpora) keeps the packages; what is there already is
used. The same versions of the packages give the same bytes: versions and sums are printed. Exit status 77: no packages.
"""
import gzip
import hashlib
import io
import pathlib
import re
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "corpora"
SIZE = 10_000_000
# How long one kind of text goes on in the mix: about what a long prompt has of it.
TURN = 16384

# Package: which of its files are text of the kind. Their order is that of the sums of their names, so that no folder comes first.
PROSE = {"perl-doc": r"\.pod$", "debian-reference-en": r"\.txt\.gz$", "git-doc": r"\.(txt|adoc)$"}
CODE = {"python3-django": r"\.(py|js|css)$", "ansible": r"/modules/.*\.py$"}
DATA = {"ansible": r"\.(ya?ml|json)$"}
MANUALS = {f"manpages-{language}": rf"/man/{language}[^/]*/man\d/.*\.gz$" for language in ("de", "ru", "ja", "zh")}

ENGLISH = [(1.0, PROSE)]
MIX = [(0.31, PROSE), (0.31, CODE), (0.10, DATA)] + [(0.07, {package: names}) for package, names in MANUALS.items()]


class Missing(Exception):
    """Why there is no corpus."""


def package(name, folder):
    """The newest .deb of that name in the folder, downloaded unless one is there."""
    if not sorted(folder.glob(f"{name}_*.deb")):
        for command in (["apt-get", "download", "-qq", name], ["apt-get", "update", "-qq"], ["apt-get", "download", "-qq", name]):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if sorted(folder.glob(f"{name}_*.deb")):
                break
        else:
            raise Missing(f"{name}: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
    return sorted(folder.glob(f"{name}_*.deb"))[-1]


def documents(deb, names):
    """The texts in a package whose names match, as UTF-8 without the few files that are not."""
    unpack = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True)
    found = []
    with tarfile.open(fileobj=io.BytesIO(unpack.stdout)) as tar:
        for member in tar:
            if member.isfile() and re.search(names, member.name):
                data = tar.extractfile(member).read()
                found.append((hashlib.sha256(member.name.encode()).digest(), gzip.decompress(data) if member.name.endswith(".gz") else data))
    return [text for _, text in sorted(found) if is_utf8(text)]


def is_utf8(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def stream(kinds, folder, size):
    """At least `size` bytes of what the packages have, from the beginning again where they have less."""
    text = b"".join(document for name, names in kinds.items() for document in documents(package(name, folder), names))
    if not text:
        raise Missing(f"{', '.join(kinds)}: no such files in the package")
    return text * (size // len(text) + 1), len(text)


def cut(text, at):
    """The first line end at or behind `at`: no line and no letter is torn."""
    end = text.find(b"\n", at)
    return len(text) if end < 0 else end + 1


def compose(parts, folder, size=SIZE):
    """`size` bytes in which each (share, kinds) of `parts` has its share, turn by turn."""
    streams = []
    for share, kinds in parts:
        text, fresh = stream(kinds, folder, int(size * share) + TURN)
        if fresh < size * share:
            print(f"note: {', '.join(kinds)} has {fresh:,} bytes only and is repeated", file=sys.stderr)
        streams.append([share, text, 0])
    out = bytearray()
    while len(out) < size:
        # Whoever lags most behind its share goes on.
        entry = max(streams, key=lambda s: s[0] * (len(out) + 1) - s[2])
        end = cut(entry[1], entry[2] + TURN)
        out += entry[1][entry[2]:end]
        entry[2] = end
    return bytes(out[:size]).decode(errors="ignore").encode().ljust(size, b"\n")


def corpus(name, folder=FOLDER):
    """The path of english.txt or mix.txt, made unless it is there."""
    path = folder / f"{name}.txt"
    if not path.exists() or path.stat().st_size != SIZE:
        packages = folder / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        path.write_bytes(compose({"english": ENGLISH, "mix": MIX}[name], packages))
    return path


def main(folder):
    try:
        paths = [corpus(name, folder) for name in ("english", "mix")]
    except (Missing, OSError) as error:
        print(f"SKIP: no corpora: {error}")
        return 77
    for deb in sorted((folder / "packages").glob("*.deb")):
        print(deb.name)
    for path in paths:
        data = path.read_bytes()
        print(f"{path}: {len(data):,} bytes, {sum(byte > 127 for byte in data) / len(data):.1%} above ASCII, sha256 {hashlib.sha256(data).hexdigest()[:16]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else FOLDER))
