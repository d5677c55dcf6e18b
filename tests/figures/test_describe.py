import numpy as np

from reportgen.figures.describe import Curve, Curves, Maps, Panel, list_texts


def test_every_string_of_a_description_is_found() -> None:
    curve = Curve(label="a", x=[0], y=[1], model="m", group="g")
    figure = Curves(name="n", subject=("s",), title="t", alt="d", x_label="x", y_label="y", curves=[curve],
                    references={"r": 1.0})  # fmt: skip
    assert sorted(list_texts(figure)) == sorted(["n", "s", "t", "d", "x", "y", "a", "m", "g", "r"])


def test_arrays_are_no_texts() -> None:
    panel = Panel(title="p", points=np.zeros((1, 2)), x_label="x", y_label="y")
    figure = Maps(name="n", subject=(), title="t", alt="d", panels=[panel], labels=["l"], groups=[""])
    assert sorted(list_texts(figure)) == ["", "d", "l", "n", "p", "t", "x", "y"]
