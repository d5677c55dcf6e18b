"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import say, sentences
from reportgen.numerals import write_number, write_share
from reportgen.probes.residual_shares.view import item_label, mean_of, part_label
from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import tell_parts

CLEAR = 0.5
"""Mean share from which most of a block's output is said to be what came in."""
TOLD = 2
"""Words that are told of."""


def tell(view: SubjectView) -> str:
    """How much comes in on average, where most is new, and what of the words is left at the end."""
    kept, attention, mlp = (view.metric(name) for name in ("kept", "attention", "mlp"))
    if kept is None:
        return ""
    values = {
        "model": view.name,
        "kept": write_share(kept),
        "attention": write_share(attention),
        "mlp": write_share(mlp),
    }
    if kept >= CLEAR:
        told = say(
            "residual_shares.told",
            "In {model}, {kept} of a block's output is what came in, averaged over the blocks; attention adds "
            "{attention}, and the MLP adds {mlp}.",
            **values,
        )
    else:
        told = say(
            "residual_shares.new",
            "In {model}, less than half of a block's output is what came in ({kept}, averaged over the blocks); "
            "attention adds {attention}, and the MLP adds {mlp}.",
            **values,
        )
    return sentences([told, _tell_newest(view), *_tell_words(view), tell_parts(view)])


def _tell_newest(view: SubjectView) -> str:
    """The block whose output is newest."""
    kept = mean_of(view, "share_kept")
    block = int(kept.argmin())
    added = {part: float(mean_of(view, part)[block]) for part in ("share_attention", "share_mlp")}
    most = max(added, key=lambda part: added[part])
    return say(
        "residual_shares.newest",
        "Block {block} adds most: {kept} came in, {added} is of its {part}.",
        block=block,
        kept=write_share(float(kept[block])),
        added=write_share(added[most]),
        part=part_label(most),
    )


def _tell_words(view: SubjectView) -> list[str]:
    """How near the stream of each word is to what it began as, after the last block."""
    cosines = view.values("cosine_embedding")
    return [
        say(
            "residual_shares.remembered",
            "After the last block, the stream of {item} has a cosine of {cosine} with its embedding.",
            item=item_label(view, item),
            cosine=write_number(float(cosines[item, -1]), 2),
        )
        for item in range(1, min(len(cosines), 1 + TOLD))
    ]


def tell_briefly(view: SubjectView) -> str:
    """How much of a block's output came in."""
    return say("residual_shares.brief", "{kept} of a block's output came in", kept=write_share(view.metric("kept")))
