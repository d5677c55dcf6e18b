import sys

import pytest

from reportgen.processes.freed_memory import give_back_freed
from tests.benchmarks.memory import resident


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")
def test_what_many_small_pieces_took_goes_back_to_the_system() -> None:
    give_back_freed()
    before = resident()
    pieces = [bytes(700) for _ in range(200_000)]
    among = pieces[::2_000]  # what is still used lies between what is not
    assert resident() > before + 120e6
    del pieces
    give_back_freed()
    assert resident() < before + 30e6
    assert len(among) == 100
