"""Whether a tag may become a release: `python -m tests.release_check v0.1.0`; with --notes it prints what is new.

The version stands in pyproject.toml; the changelog and the citation repeat it, and the installed command reads it from
there. Runs without anything installed.
"""

import re
import sys

from tests.pinned_versions import PROJECT, ROOT

UNRELEASED = " (unreleased)"


def read_changelog() -> tuple[str, str]:
    """The heading of the changelog's first version, and what is written below it."""
    _, heading, notes, *_ = re.split(r"^## (.+)\n", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M)
    return heading, notes.strip()


def read_citation() -> str:
    """The version that the citation names."""
    found = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    return found[1] if found else ""


def find_faults(tag: str) -> list[str]:
    """What keeps this tag from being a release; nothing where all agree."""
    version, heading, cited = PROJECT["version"], read_changelog()[0], read_citation()
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, and pyproject.toml has {version}: tag v{version}, or change the version")
    if heading != version:
        found.append(f"CHANGELOG.md begins with {heading!r}: write {version!r}, without {UNRELEASED.strip()}")
    if cited != version:
        found.append(f"CITATION.cff has {cited!r}: write {version}")
    return found


if __name__ == "__main__":
    if faults := find_faults(sys.argv[1]):
        sys.exit("\n".join(faults))
    if "--notes" in sys.argv:
        sys.stdout.write(read_changelog()[1] + "\n")
