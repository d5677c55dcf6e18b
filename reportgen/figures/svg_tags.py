"""Changes to an SVG that reach its tags and leave its texts alone: these may say whatever tags say, quotes included."""

import re
from collections.abc import Callable

_BEFORE_THE_END_OF_A_TAG = r"(?=[^<>]*>)"
"""What is written as < or > is a tag's edge: texts and attributes hold these as entities."""


def replace_in_tags(pattern: str, change: str | Callable[["re.Match[str]"], str], element: str, flags: int = 0) -> str:
    """`re.sub` within tags."""
    return re.sub(f"(?:{pattern}){_BEFORE_THE_END_OF_A_TAG}", change, element, flags=flags)
