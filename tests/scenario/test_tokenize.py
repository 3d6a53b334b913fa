"""sluice tokenize: the ids that the reference gives, family by family; files that it cannot use, refused by their place."""
import gzip
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
SLUICE = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")) / "sluice"


def run(folder, *options, lines=()):
    """Exit status, objects on standard output, standard error."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    done = subprocess.run([SLUICE, "tokenize", "--tokenizer", folder, *options], input=text.encode(), capture_output=True, timeout=300)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


class Vectors(unittest.TestCase):
    """shared/vectors: 593 texts a family, with and without special tokens."""

    def test_every_family_gets_the_reference_s_ids(self):
        if not (SHARED / "vectors").exists():
            self.skipTest(f"{SHARED / 'vectors'} is not here")
        families = sorted((SHARED / "vectors").glob("*.jsonl.gz"))
        self.assertGreaterEqual(len(families), 15)
        for path in families:
            family = path.name.split(".")[0]
            with gzip.open(path, "rt", encoding="utf-8") as file:
                rows = [json.loads(line) for line in file]
            for options in ((), ("--special",)):
                with self.subTest(family=family, options=options):
                    self.compare(SHARED / "tokenizers" / family, rows, options)

    def compare(self, folder, rows, options):
        code, answers, said = run(folder, *options, lines=[{"id": row["id"], "text": row["text"]} for row in rows])
        self.assertEqual(code, 0, said)
        self.assertEqual([answer["id"] for answer in answers], [row["id"] for row in rows])
        wrong = [row["id"] for row, answer in zip(rows, answers)
                 if answer["ids"] != (row.get("ids_special", row["ids"]) if options else row["ids"])]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
