"""Writes the schemas that ship, for editors: `python -m tests.schema_files`; test_schema says when they are stale."""

import json

from reportgen import resources
from reportgen.battery.schema import SCHEMAS


def write_schema(kind: str) -> str:
    """The file's content."""
    return json.dumps(SCHEMAS[kind](), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    folder = resources.PACKAGE.parent / "schemas"
    folder.mkdir(exist_ok=True)
    for kind in SCHEMAS:
        (folder / f"{kind}.json").write_text(write_schema(kind), encoding="utf-8")
