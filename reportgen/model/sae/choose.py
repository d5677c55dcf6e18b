"""Which of several dictionaries are meant: those of the wanted layers, and one at each place."""

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.errors import BatteryError, Mistake
from reportgen.model.sae.files import DictionaryError, DictionaryFiles, Place

_LISTED = 8


@dataclass(frozen=True)
class Wish:
    """What is wanted of a source with several dictionaries; None for whatever there is."""

    layers: tuple[int, ...] | None = None
    """Layers (residual stream) or blocks."""
    features: int | None = None
    l0: float | None = None
    """Among several at one place, the one whose stated L0 is nearest."""


def choose(found: Sequence[DictionaryFiles], wish: Wish, source: str) -> tuple[DictionaryFiles, ...]:
    """One dictionary at each wanted place, by ascending place.

    Raises:
        DictionaryError: there is none at a wanted layer, or none of the wanted size.
        BatteryError: several remain at one place; says which.
    """
    sized = [one for one in found if wish.features in (None, one.features)]
    if not sized:
        held = ", ".join(f"{count:,}" for count in sorted({one.features for one in found}))
        raise DictionaryError(Mistake(f"no dictionary of {wish.features:,} features", f"There are: {held}.", source))
    for layer in wish.layers or ():
        if all(one.place.index != layer for one in sized):
            held = ", ".join(map(str, sorted({one.place.index for one in sized})))
            raise DictionaryError(Mistake(f"no dictionary at layer {layer}", f"There are some at: {held}.", source))
    at: dict[Place, list[DictionaryFiles]] = {}
    for one in sized:
        if wish.layers is None or one.place.index in wish.layers:
            at.setdefault(one.place, []).append(one)
    chosen = [_choose_nearest(at[place], wish.l0, source) for place in at]
    return tuple(sorted(chosen, key=lambda one: (one.place.site.value, one.place.index)))


def _choose_nearest(several: Sequence[DictionaryFiles], l0: float | None, source: str) -> DictionaryFiles:
    told = [one for one in several if one.card.l0 is not None]
    sizes = {one.features for one in several}
    if l0 is not None and told and len(sizes) == 1:
        return min(told, key=lambda one: (abs((one.card.l0 or 0.0) - l0), one.name))
    if len(several) > 1:
        raise ambiguity_error(str(several[0].place), [one.name for one in several], source)
    return several[0]


def ambiguity_error(place: str, names: Sequence[str], source: str) -> BatteryError:
    """The error that asks which of several dictionaries at one place is meant."""
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return BatteryError(
        Mistake(
            f"{source}: {len(names)} dictionaries at {place}: {listed}",
            "Name one by its path, or say which `features` (and, of Gemma Scope, which `l0`) you mean.",
        )
    )
