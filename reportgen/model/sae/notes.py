"""What the notes of a dictionary say to a reader."""

from collections.abc import Callable, Mapping

from reportgen.language import say
from reportgen.model.sae.files import Note


def tell_note(note: Note) -> str:
    """The note as a sentence, in the language that is spoken; names in it are strangers' text as it was written."""
    return _SENTENCES[note.kind](dict(note.values))


def _tell_assumed_site(values: Mapping[str, str]) -> str:
    return say(
        "sae.site_assumed",
        "The files do not say which site of the model the dictionary reads: {hook} is assumed.",
        hook=values["hook"],
    )


def _tell_other_model(values: Mapping[str, str]) -> str:
    return say(
        "sae.other_model",
        "The dictionary was trained on {trained} and is used here on {used}.",
        trained=values["trained"],
        used=values["used"],
    )


def _tell_scale(values: Mapping[str, str]) -> str:
    return say(
        "sae.scale_taken_as_folded",
        "The dictionary was trained on activations scaled to a mean norm; the files hold no factor, so it is "
        "assumed to be folded into the weights, as SAELens does.",
    )


def _tell_centred_weights(values: Mapping[str, str]) -> str:
    return say(
        "sae.centred_weights",
        "The dictionary was trained on a model with centred writing weights; here the stream keeps its mean.",
    )


def _tell_some_positions(values: Mapping[str, str]) -> str:
    return say(
        "sae.some_positions",
        "The dictionary was trained on a slice of the positions only: {slice}.",
        slice=values["slice"],
    )


_SENTENCES: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "site assumed": _tell_assumed_site,
    "other model": _tell_other_model,
    "scale taken as folded in": _tell_scale,
    "centred weights": _tell_centred_weights,
    "some positions": _tell_some_positions,
}
