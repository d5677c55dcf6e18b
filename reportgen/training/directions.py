"""Every way to find a direction between two sets of rows, by what a battery calls it."""

from __future__ import annotations

from reportgen.numerics import steering
from reportgen.training.held_out import Method
from reportgen.training.logistic import logistic_direction

METHODS: dict[str, Method] = {**steering.METHODS, "logistic": logistic_direction}
