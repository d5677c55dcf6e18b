"""What a figure says of itself that its description does not: that it was thinned, that it is flat, what has no label.

It is said where there is no room for all, which is known only where it is drawn; so `list_remarks` tells beforehand
which letters such words may need.
"""

from reportgen.language import say
from reportgen.numerals import write_number


def list_remarks() -> list[str]:
    """All of them, for whoever chooses fonts before anything is drawn."""
    return [
        tell_first("", 0, 0),
        tell_one_in("", 0),
        tell_one_in_and_named("", 0),
        tell_constant(),
        tell_flat(0.0),
        tell_flat_within(0.0),
        tell_unnamed(),
        tell_others(),
    ]


def tell_first(label: str, most: int, count: int) -> str:
    """That only the first of so many are drawn."""
    return say("figures.first_of", "{label}, the first {most} of {count}", label=label, most=most, count=count)


def tell_one_in(label: str, every: int) -> str:
    """That every n-th is drawn."""
    return say("figures.one_in", "{label}, one in {every}", label=label, every=every)


def tell_one_in_and_named(label: str, every: int) -> str:
    """That every n-th is drawn, and those that a text names."""
    return say("figures.one_in_and_named", "{label}, one in {every} and those named", label=label, every=every)


def tell_constant() -> str:
    """That nothing varies."""
    return say("figures.constant", "flat: no curve varies at all")


def tell_flat(extent: float) -> str:
    """That nothing varies much."""
    return say("figures.flat", "flat: no curve varies by more than {extent}", extent=write_number(extent, 2))


def tell_flat_within(extent: float) -> str:
    """That nothing varies much in what the axis shows of curves that go beyond it."""
    return say(
        "figures.flat_within",
        "flat within this axis: no curve varies by more than {extent} there",
        extent=write_number(extent, 2),
    )


def tell_unnamed() -> str:
    """That some points have no label."""
    return say("figures.unnamed", "no label where it would overlap another")


def tell_others() -> str:
    """What all segments but the largest are together."""
    return say("figures.others", "others")
