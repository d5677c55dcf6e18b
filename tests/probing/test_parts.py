"""Figures that several probes have are made in one way."""

import numpy as np

from reportgen.figures.describe import Curve
from reportgen.probing.parts import describe_curves, describe_head_map, describe_layer_grid
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard

CARD = ModelCard("m", "M", "X", 2)
VIEW = SubjectView("m", "M", Outcome("p", 1, {}, ("m",), "ok"), (CARD,))


def test_curves_run_over_the_layers_and_their_ends_are_read_out() -> None:
    found = describe_curves(VIEW, name="way", title="t", what="share", curves=[Curve(label="a", x=[0, 1], y=[0.5, 1])])
    assert (found.subject, found.x_label, found.y_label) == (("m",), "layer (0 = embedding)", "share")
    assert found.alt.startswith("share over the layers of M: a goes from ")


def test_a_head_map_has_blocks_downwards_and_heads_across() -> None:
    found = describe_head_map(
        VIEW, name="heads", title="t", alt="a", values=np.eye(2), value_label="weight", value_range=(0.0, 1.0)
    )
    assert (found.subject, found.row_label, found.column_label, found.scale) == (("m",), "block", "head", "sequential")


def test_a_grid_of_layers_may_leave_rows_out_and_outlines_nothing_unless_asked() -> None:
    values = np.zeros((2, 1))
    found = describe_layer_grid(
        VIEW,
        name="grid",
        title="t",
        alt="a",
        rows=[1, 0],
        column_label="token",
        columns=["x"],
        texts=[["a"], ["b"]],
        values=values,
        value_label="p",
    )
    assert (found.rows, found.row_label, found.sampleable) == (["1", "0"], "layer (0 = embedding)", True)
    assert not found.outlined.any()
    assert found.outlined.shape == values.shape
