"""Fixtures that more than one folder of tests needs."""

from pathlib import Path

import pytest

from reportgen.model.demo import DEMO_MODELS, demo_folder


@pytest.fixture(scope="session")
def smollm2_folder() -> Path:
    """The converted SmolLM2-135M-Instruct, in the user's own cache."""
    return demo_folder(DEMO_MODELS["smollm2-135m-instruct"])


@pytest.fixture(scope="session")
def gemma_folder() -> Path:
    """The converted Gemma-3-270M, in the user's own cache."""
    return demo_folder(DEMO_MODELS["gemma-3-270m"])
