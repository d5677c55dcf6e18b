"""By what two machines know that they run the same battery."""

import json

from reportgen.battery.reader import Battery
from reportgen.cache import key_of


def fingerprint_of(battery: Battery) -> str:
    """A hash over all of a battery that decides what is measured and what is said of it, in the order in which it is
    written: where its file lies, and how its report is shown, is no part of it.
    """
    models = {id: entry.model_dump(mode="json") for id, entry in battery.models.items()}
    probes = {
        id: {
            "probe": f"{entry.probe.name} {entry.probe.version}",
            "models": entry.models,
            "options": entry.options.model_dump(mode="json", by_alias=True),
            "keys": entry.keys.model_dump(mode="json"),
        }
        for id, entry in battery.probes.items()
    }
    tolerances = {glob: entry.model_dump(mode="json") for glob, entry in battery.tolerances.items()}
    said = [battery.title, models, probes, tolerances, battery.batch]
    return key_of("battery", json.dumps(said, ensure_ascii=False))
