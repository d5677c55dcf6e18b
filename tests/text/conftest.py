"""The tokenizers of the demo models."""

from pathlib import Path

import pytest

from reportgen.text.tokens import TextTokenizer


@pytest.fixture(scope="module")
def gemma(gemma_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(gemma_folder)


@pytest.fixture(scope="module")
def smollm2(smollm2_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(smollm2_folder)
