"""A distribution that brings a probe which misbehaves in a chosen place: what its card says is tested."""

from pathlib import Path

MODULE = '''
import os, sys, time
from dataclasses import dataclass

HOW = {how!r}
if HOW == "import: raise":
    raise RuntimeError("no such thing")
if HOW == "import: exit":
    sys.exit(0)
if HOW == "import: end":
    os._exit(0)

import numpy as np
from pydantic import field_validator

from reportgen.probing import (
    Curve, Curves, Findings, Need, Pass, Probe, ProbeOptions, Prompts, Site, array, metric, table,
)


class Reducer:
    """Breaks the pass that it takes part in."""

    def init(self, *given):
        raise RuntimeError("in a pass")

    update = finish = init


class Options(ProbeOptions):
    prompts: Prompts

    @field_validator("prompts")
    @classmethod
    def _look(cls, value):
        if HOW == "options: raise":
            raise RuntimeError("in the options")
        if HOW == "options: end":
            os._exit(0)
        return value


@dataclass(frozen=True, kw_only=True)
class Norms(Findings):
    norms: object = array("prompt", "layer", unit="norm")
    """The norm."""
    most: object = metric("norm", "lower")
    """The largest."""
    told: object = table("a", "b")
    """Words."""


STREAM = Need(Site.RESIDUAL, "last")


class Third(Probe[Options, Norms]):
    """Shows: norms.

    Read: them.

    Computed: by numpy.
    """

    name, version, question = {name!r}, 1, "How long?"
    options, findings = Options, Norms

    def passes(self, case):
        if HOW == "passes: raise":
            raise RuntimeError("in passes")
        if HOW == "passes: exit":
            sys.exit(0)
        if HOW == "passes: end":
            os._exit(0)
        if HOW == "passes: other":
            return ["a pass"]
        need = Need(Site.RESIDUAL, "last", reducer=Reducer()) if HOW == "reducer: raise" else STREAM
        return [Pass(case.tokens(prompt), (need,)) for prompt in case.options.prompts]

    def run(self, case, model, captured):
        norms, most, told = np.ones((len(case.options.prompts), 2)), 1.0, [["a", 1]]
        if HOW == "run: raise":
            raise RuntimeError("in run")
        if HOW == "run: raise base":
            raise BaseException("as nothing else")
        if HOW == "run: exit":
            sys.exit(0)
        if HOW == "run: end":
            os._exit(0)
        if HOW == "run: kill":
            os.kill(os.getpid(), 9)
        if HOW == "run: out of memory":
            norms = np.ones(1 << 50)
        if HOW == "run: nan":
            most = float("nan")
        if HOW == "run: hang":
            time.sleep(1e6)
        if HOW == "run: hang and catch":
            while True:
                try:
                    time.sleep(1e6)
                except Exception:
                    pass
        if HOW == "run: none":
            return None
        if HOW == "run: object array":
            norms = norms.astype(object)
        if HOW == "run: complex array":
            norms = norms.astype(complex)
        if HOW == "run: dims":
            norms = norms[None]
        if HOW == "run: metric of an object":
            most = object()
        if HOW == "run: huge metric":
            most = 10**500
        if HOW == "run: table of objects":
            told = [[object(), b"x"]]
        if HOW == "run: short rows":
            told = [["a"]]
        if HOW == "run: half a character":
            told = [["\\ud800", 1]]
        if HOW == "run: numbers of numpy":
            most, told = np.float32(2.0), [[np.int64(3), np.str_("b")]]
        if HOW == "run: default dtype":
            import torch

            torch.set_default_dtype(torch.float64)
        return Norms(norms=norms, most=most, told=told)

    def figures(self, section):
        if HOW == "figures: raise":
            raise ValueError("in figures")
        if HOW == "figures: exit":
            sys.exit(0)
        if HOW == "figures: end":
            os._exit(0)
        if HOW == "figures: other":
            return ["a figure"]
        return [
            Curves(
                name="norms", subject=(subject,), title="Norms", alt="Norms.", x_label="layer", y_label="norm",
                curves=[Curve(label="a", x=range(2), y=[1.0, 2.0], group="a")],
            )
            for subject in section.ok()
        ]

    def statement(self, section):
        if HOW == "statement: raise":
            raise ValueError("in the statement")
        if HOW == "statement: other":
            return 3
        return "Said."


probe = Third()
'''


def bring_probe(folder: Path, name: str, how: str = "") -> None:
    """Writes a distribution into a folder that is to lie on sys.path; `how` is "place: what it does"."""
    module = f"third_party_{name}"
    (folder / f"{module}.py").write_text(MODULE.format(how=how, name=name))
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[reportgen.probes]\n{name} = {module}:probe\n")
