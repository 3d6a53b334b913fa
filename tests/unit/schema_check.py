#!/usr/bin/env python3
"""Holds files against the schema that `sluice schema` prints.

schema_check.py SCHEMA good|bad FILE...: exit status 0 when the schema is a valid one and every file is
what was said of it, 1 with a line a surprise, 77 where python3-jsonschema or python3-yaml is missing.
"""
import json
import re
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"SKIP: {missing.name} is not installed")
    sys.exit(77)


class Loader(yaml.SafeLoader):
    """Scalars as YAML 1.2 reads them: `on` is a text, 010 is ten, nothing is a date."""

    yaml_implicit_resolvers = {}


for tag, expression, first in (
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(expression), first)
Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


def first_error(validator, path):
    with open(path, encoding="utf-8") as file:
        value = yaml.load(file, Loader)
    return jsonschema.exceptions.best_match(validator.iter_errors({} if value is None else value))


def main(schema_path, kind, *paths):
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    surprises = 0
    for path in paths:
        error = first_error(validator, path)
        if kind == "good" and error:
            print(f"{path}: refused at {error.json_path}: {error.message}")
            surprises += 1
        if kind == "bad" and not error:
            print(f"{path}: taken")
            surprises += 1
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
