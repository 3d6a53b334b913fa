"""`sluice tokenize` beside Hugging Face's own library: real vocabularies and made ones, on texts meant to tell them apart.

A part of what tests/oracle/compare.py does at length; which part, $ORACLE_SEED says.
"""
import json
import os
import pathlib
import random
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))
import compare  # noqa: E402
import pair  # noqa: E402

SEED = os.environ.get("ORACLE_SEED", "1")
TEXTS = 40        # of each kind, for a tokenizer
REAL, MADE = 2, 8  # tokenizers a run
# Not to be had in a test's time: reading them takes seconds under the sanitizers.
LARGE = ("gemma3", "gptoss", "llama3_2", "mistral_nemo", "qwen3")


class HuggingFace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            pair.fetched.tokenizers_python()
        except pair.fetched.Missing as error:
            raise unittest.SkipTest(str(error)) from None
        cls.rng = random.Random(SEED)

    def judge(self, folder):
        kind_of = {text: kind for kind, texts in compare.kinds(folder, TEXTS, SEED, []).items() for text in texts}
        different = [{"kind": kind_of[text], "special": special, "text": text[:500], "expected": expected[:50], "got": got and got[:50]}
                     for text, special, expected, got in pair.differences(folder, list(kind_of))]
        self.assertGreater(len(kind_of), 3 * TEXTS)
        self.assertFalse(different, f"{folder} (seed {SEED}): {json.dumps(different[:3])}")

    def test_families_give_the_same_ids(self):
        families = sorted(path for path in (pair.SHARED / "tokenizers").glob("*") if (path / "tokenizer.json.gz").exists() and path.name not in LARGE)
        if not families:
            self.skipTest("../shared/tokenizers is not here")
        for family in self.rng.sample(families, REAL):
            with self.subTest(family=family.name):
                self.judge(pair.plain_folder(family, compare.WORK / "plain" / "tokenizers"))

    def test_options_one_by_one_give_the_same_ids_or_are_refused(self):
        made = sorted(compare.synthetic(compare.WORK / "synthetic").iterdir())
        self.assertGreater(len(made), 400)
        refused = 0
        for folder in self.rng.sample(made, MADE):
            with self.subTest(variant=folder.name):
                try:
                    self.judge(folder)
                except pair.Unfit as error:
                    print(f"note: {folder.name}: the reference fails: {error}")
                except pair.Refused as error:
                    self.assertRegex(str(error), r"tokenizer\.json: \w", "a refusal names the place")
                    refused += 1
        self.assertLess(refused, MADE, "sluice refuses all of them")


if __name__ == "__main__":
    unittest.main()
