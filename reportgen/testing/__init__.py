"""For the tests of others: a battery's bundle as a fixture, and an assertion that it is as its baseline is.

pytest imports the plugin wherever this distribution is installed, so what is heavy is imported when it is used.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportgen.results.bundle import Bundle


def assert_same(bundle: "Bundle | str | Path", baseline: str | Path) -> None:
    """Fails unless nothing drifted, nothing failed and nothing else was measured, as `reportgen compare` judges.

    What a battery tolerates, and what was calibrated for the baseline, holds here, too.

    Args:
        bundle: as `run`, `load` or the fixture `reportgen_bundle` give it, or its folder.
        baseline: the folder of an accepted baseline, or of a bundle.

    Raises:
        AssertionError: what changed, from which layer on, what was asked otherwise, and what to do now.
        BundleError: one of the two cannot be read, or its last run failed.
    """
    __tracebackhide__ = True
    from reportgen.baseline.judgements import describe_morning, describe_unmatched
    from reportgen.workflows.comparison import compare

    place = bundle if isinstance(bundle, str | Path) else bundle.path
    if place is None:
        raise ValueError("the bundle lies in no folder: give one that was run or loaded")
    comparison = compare(baseline, place)
    if comparison.exit_code:
        raise AssertionError("\n".join([*describe_morning(comparison), *describe_unmatched(comparison)]))
