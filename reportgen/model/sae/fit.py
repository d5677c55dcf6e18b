"""Whether dictionaries belong to a model: their widths and layers, and what they say its name is."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reportgen.errors import Mistake
from reportgen.model.needs import Site
from reportgen.model.sae.files import DictionaryError, DictionaryFiles, Note

if TYPE_CHECKING:
    from reportgen.model.files.facts import ModelFacts

_SUFFIX = re.compile(r"[-_.]?(hf|pt|base)$")


def check_fit(found: Sequence[DictionaryFiles], facts: "ModelFacts", name: str) -> tuple[Note, ...]:
    """What is to be said of dictionaries that are used with a model of this name.

    Raises:
        DictionaryError: one of them reads vectors of another width, or a layer that the model lacks.
    """
    for one in found:
        _check_width(one, facts, name)
        _check_layer(one, facts, name)
    others = {one.card.model for one in found if one.card.model and _plain(one.card.model) != _plain(name)}
    return tuple(Note("other model", (("trained", other), ("used", name))) for other in sorted(others))


def _check_width(one: DictionaryFiles, facts: "ModelFacts", name: str) -> None:
    if one.place.site is Site.HEADS:
        if facts.heads is not None and one.width % facts.heads:
            raise _misfit(one, f"reads the {one.width} numbers of all heads; {name} has {facts.heads} heads")
    elif facts.hidden_size is not None and one.width != facts.hidden_size:
        raise _misfit(one, f"reads vectors of width {one.width}; those of {name} have {facts.hidden_size}")


def _check_layer(one: DictionaryFiles, facts: "ModelFacts", name: str) -> None:
    if facts.layers is None:
        return
    last = facts.layers if one.place.site is Site.RESIDUAL else facts.layers - 1
    if one.place.index > last:
        raise _misfit(one, f"reads {one.place}; those of {name} end with {last}")


def _misfit(one: DictionaryFiles, what: str) -> DictionaryError:
    trained = f"It was trained on {one.card.model}." if one.card.model else "Does it belong to a different model?"
    return DictionaryError(Mistake(f"the dictionary {what}", trained, one.weights))


def _plain(name: str) -> str:
    """A name without organisation, case, separators and the words for a base model."""
    last = name.rpartition("/")[2].lower()
    return re.sub(r"[-_. ]", "", _SUFFIX.sub("", last.removeprefix("meta-")))
