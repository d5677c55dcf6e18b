import pytest

from reportgen.figures.describe import list_texts
from reportgen.look.fonts import Typefaces, load_typefaces
from tests.figures.figure_samples import HOSTILE, one_of_each


@pytest.fixture(scope="session")
def faces() -> Typefaces:
    """Typefaces for every figure of these tests."""
    return load_typefaces(
        {text for hostile in ("", HOSTILE) for f in one_of_each(text=hostile) for text in list_texts(f)}
    )
