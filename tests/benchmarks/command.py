"""reportgen's command line in a process that tells, when it has ended, what it imported.

python -m tests.benchmarks.command ARGUMENTS…
"""

import json
import sys

from reportgen.cli import run_command

HEAVY = ("torch", "transformers", "sklearn")


def main() -> None:
    ended = run_command(sys.argv[1:])
    sys.stdout.write("\n" + json.dumps({"imported": [name for name in HEAVY if name in sys.modules]}) + "\n")
    sys.exit(ended)


if __name__ == "__main__":
    main()
