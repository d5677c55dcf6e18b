"""Writes the lock files, which name every file of an installation by its hash: `make lock`, or
`python -m tests.lock_files PATH_OF_UV`.

They are for Python 3.11 on Linux x86-64 and for what constraints.txt pins. PyPI's build of torch, with NVIDIA's
libraries, has a file of its own: whoever installed another build of the same version leaves that one out.
"""

import re
import subprocess
import sys

from tests.pinned_versions import REQUIREMENTS, ROOT, read_pins

LOCK, LOCK_TORCH = REQUIREMENTS / "lock.txt", REQUIREMENTS / "lock-torch.txt"
PYTHON, PLATFORM = "3.11", "x86_64-unknown-linux-gnu"
ABOUT = """\
# Every file of a default installation, by its hash: Python 3.11 on Linux x86-64, the versions of constraints.txt.
# Written by `make lock`. With another build of torch (of this version), such as one for a CPU alone, installed before:
#   pip install --require-hashes -r requirements/lock.txt && pip install --no-deps lm-reportgen
# With PyPI's build, name lock-torch.txt as well.
"""
ABOUT_TORCH = """\
# PyPI's build of torch for Linux x86-64, and NVIDIA's libraries, which it computes with on a GPU, by `make lock`.
#   pip install --require-hashes -r requirements/lock.txt -r requirements/lock-torch.txt
"""
ENTRY = re.compile(r"^(?P<name>[\w.-]+)==\S+ \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", re.MULTILINE)


def main(uv: str) -> None:
    """Asks uv for the tree, and writes both files."""
    command = [
        uv, "pip", "compile", str(ROOT / "pyproject.toml"), "--quiet", "--no-config", "--no-header", "--no-annotate",
        "--generate-hashes", "--python-version", PYTHON, "--python-platform", PLATFORM,
        "--constraint", str(REQUIREMENTS / "constraints.txt"),
    ]  # fmt: skip
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    apart = {"torch"} | {match["name"] for match in ENTRY.finditer(told)} - set(read_pins("constraints.txt"))
    entries = [(match["name"] in apart, match[0]) for match in ENTRY.finditer(told)]
    LOCK.write_text(ABOUT + "".join(text for is_apart, text in entries if not is_apart))
    LOCK_TORCH.write_text(ABOUT_TORCH + "".join(text for is_apart, text in entries if is_apart))


if __name__ == "__main__":
    main(sys.argv[1])
