"""`reportgen doctor`: what a default run needs, and what of it is missing."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reportgen.workflows.doctor_libraries import Check


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(as_json: bool) -> int:
    """Look whether everything is here that a default run needs, and say what to type for what is not.

    No network is asked. Exits with 0 if nothing is missing, else with 1; what is only advice changes nothing.
    """
    from reportgen.cli.terminal import tell_json
    from reportgen.workflows.doctor import as_document, examine, has_all

    checks = examine()
    if as_json:
        tell_json(as_document(checks))
    else:
        _tell_lines(checks)
    return 0 if has_all(checks) else 1


def _tell_lines(checks: "list[Check]") -> None:
    from reportgen.cli.terminal import tell, tell_whole

    width = max(len(check.name) for check in checks)
    for check in checks:
        tell(f"{check.state:<8}{check.name:<{width}}  {check.found}")
        if check.remedy:
            tell_whole(f"{'':<8}{'':<{width}}  → {check.remedy}")
    missing = sum(check.state == "missing" for check in checks)
    tell(f"{missing} missing" if missing else "everything is here. Next: reportgen demo")
