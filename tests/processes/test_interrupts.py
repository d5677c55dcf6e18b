"""An interrupt ends the command wherever it comes, and once."""

import signal
import time

import pytest

from reportgen.processes.supervision import _InterruptHandler


class Destroyed:
    """An object in whose destructor the signal comes."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)
        self.finished = True  # the handler runs before this line, and what it raises would be told as ignored


@pytest.fixture
def _handled() -> object:
    before = signal.signal(signal.SIGINT, _InterruptHandler())
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_handled")
def test_one_that_comes_in_a_destructor_is_not_lost() -> None:
    def work() -> None:
        one = Destroyed()
        del one
        end = time.monotonic() + 20
        while time.monotonic() < end:
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        work()


@pytest.mark.usefixtures("_handled")
def test_two_at_once_are_one() -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
