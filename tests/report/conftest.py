import pytest

from tests.report.fakes import fake_bundle, fake_drawings


@pytest.fixture
def bundle():
    return fake_bundle()


@pytest.fixture
def drawings():
    return fake_drawings()
