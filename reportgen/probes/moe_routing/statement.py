"""The rule of its sentence."""

from __future__ import annotations

from reportgen.figures.describe import Figure
from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_count, write_number, write_share
from reportgen.probes.moe_routing.view import TOLD, View


def tell(view: View) -> str:
    """Where load is uneven, what is unused, and whether rounding chooses."""
    return sentences([_tell_load(view), _tell_unused(view), _tell_margin(view)])


def tell_figure(view: View, figure: Figure) -> str:
    """What entropies and margins show."""
    return {"entropy": _tell_entropy, "margin": _tell_margin}[figure.name](view) if figure.name != "load" else ""


def tell_briefly(view: View) -> str:
    """The busiest expert."""
    block, expert, times = view.busiest
    return say(
        "moe_routing.brief",
        "busiest: expert {expert} of block {block}, {times} × even",
        expert=expert,
        block=block,
        times=write_number(times, 2),
    )


def _tell_load(view: View) -> str:
    block, expert, times = view.busiest
    uneven, blocks = view.uneven_blocks, len(view.rows("blocks"))
    tokens = int(view.metric("tokens") or 0)
    if not uneven:
        return say_count(
            "moe_routing.even",
            "No clear statement about the load of {model}: over {count} token no expert takes more than chance allows.",
            "No clear statement about the load of {model}: over {count} tokens no expert takes more than chance "
            "allows.",
            tokens,
            model=view.name,
        )
    return say_count(
        "moe_routing.uneven",
        "In {model} load is uneven beyond chance in {uneven} of {blocks} blocks, over {count} token; most of all on "
        "expert {expert} of block {block}, which takes {times} times an even share.",
        "In {model} load is uneven beyond chance in {uneven} of {blocks} blocks, over {count} tokens; most of all on "
        "expert {expert} of block {block}, which takes {times} times an even share.",
        tokens,
        model=view.name,
        uneven=write_count(len(uneven)),
        blocks=write_count(blocks),
        expert=expert,
        block=block,
        times=write_number(times, 2),
    )


def _tell_unused(view: View) -> str:
    unused = sum(row["unused"] for row in view.rows("blocks"))
    every = int(view.metric("experts") or 0) * len(view.rows("blocks"))
    if not unused:
        return say("moe_routing.all_used", "All {every} experts are used.", every=write_count(every))
    if not view.can_tell_unused:
        return say(
            "moe_routing.few_tokens",
            "{unused} of {every} experts are not used, but these are too few tokens to call an expert unused.",
            unused=write_count(unused),
            every=write_count(every),
        )
    return say(
        "moe_routing.unused",
        "{unused} of {every} experts are never used by these texts, though random routing would use them all.",
        unused=write_count(unused),
        every=write_count(every),
    )


def _tell_margin(view: View) -> str:
    undecided, flips = view.metric("undecided"), view.metric("rounding_flips")
    if (undecided or 0.0) < TOLD:
        return say(
            "moe_routing.decided",
            "Its routes are decided by more than rounding moves: {share} have a margin within the noise.",
            share=write_share(undecided),
        )
    return say(
        "moe_routing.undecided",
        "Rounding alone flips {flips} of its routes, and {share} have a margin within the noise: the most that "
        "rounding moved any.",
        flips=write_share(flips),
        share=write_share(undecided),
    )


def _tell_entropy(view: View) -> str:
    entropy = view.metric("entropy")
    if entropy is None:
        return say(
            "moe_routing.no_entropy",
            "In {model} load has {load} of the largest entropy; its routers cannot be read as distributions.",
            model=view.name,
            load=write_share(view.metric("load_evenness")),
        )
    return say(
        "moe_routing.entropies",
        "In {model} load has {load} of the largest entropy, and a router on one token {router}, averaged over the "
        "blocks.",
        model=view.name,
        load=write_share(view.metric("load_evenness")),
        router=write_share(entropy),
    )
