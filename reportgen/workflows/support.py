"""What can be measured in an architecture, as the shipped table has it."""

from typing import Any

from reportgen.model.files.support import find_support, installed_version


def describe_support(name: str) -> list[dict[str, Any]]:
    """The rows of the support table for a class or a model type, as JSON holds them: a class may have several types.

    Raises:
        BatteryError: no architecture has this name.
    """
    installed = installed_version()
    return [
        {
            "name": row.name,
            "model_type": row.model_type,
            "groups": list(row.groups),
            "transformers": row.transformers,
            "other_version": installed if installed and installed != row.transformers else None,
            "refused": row.refused or None,
            "probes": {} if row.refused else {probe: row.tell_outcome(probe) for probe in row.probes},
        }
        for row in find_support(name)
    ]
