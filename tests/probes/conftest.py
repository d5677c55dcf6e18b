from pathlib import Path

import pytest

from tests.tiny import save_tiny


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with BOS."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny-llama", "llama")


@pytest.fixture(scope="session")
def gemma3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Gemma 3 without BOS."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny-gemma3", "gemma3", seed=1, bos=False)


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2, whose positions enter the embedding."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny-gpt2", "gpt2", seed=2)
