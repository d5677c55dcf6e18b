"""What a default run needs, and whether it is here: no network is asked, and nothing heavy imported."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from reportgen.workflows.doctor_libraries import Check, check_libraries


def examine() -> list[Check]:
    """Everything that a default run needs, in the order in which it is wanted."""
    return [*check_libraries(), *_check_rest()]


def has_all(checks: list[Check]) -> bool:
    """Whether a default run has everything."""
    return all(check.state != "missing" for check in checks)


def as_document(checks: list[Check]) -> dict[str, Any]:
    """What was found, as JSON holds it."""
    return {"ok": has_all(checks), "checks": [asdict(check) for check in checks]}


def _check_rest() -> Iterator[Check]:
    """What is looked at with libraries' help: where one is missing, that is known by now."""
    try:
        from reportgen.workflows.doctor_machine import check_machine
    except ImportError as error:
        yield Check("the rest", "missing", f"cannot be looked at without {error.name}", "install the packages first")
        return
    yield from check_machine()
