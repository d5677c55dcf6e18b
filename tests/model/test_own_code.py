"""What strangers' code raises is told without Python's words for it."""

from types import SimpleNamespace
from typing import Any

import pytest

from reportgen.model.network.own_code import describe_error


def test_a_part_that_is_looked_for_in_vain_is_named_without_its_class() -> None:
    config: Any = SimpleNamespace()
    with pytest.raises(AttributeError) as raised:
        _ = config.rope_theta
    assert describe_error(raised.value) == "there is no 'rope_theta' where it looks for it"


def test_a_class_is_told_by_its_name() -> None:
    told = describe_error(ValueError("Unrecognized configuration class <class 'transformers.models.x.XConfig'> for it"))
    assert told == "Unrecognized configuration class XConfig for it"
