"""The script for an accelerator works where there is none."""

from click.testing import CliRunner

from tests.benchmarks import gpu
from tests.benchmarks.gpu import HEADINGS, SHAPES


def test_the_tiny_shape_goes_the_whole_way_on_a_cpu() -> None:
    ran = CliRunner().invoke(gpu.main, ["--tiny", "--device", "cpu"], catch_exceptions=False)
    head, ours, notebook = ran.stdout.splitlines()[-3:]
    assert head.split() == " ".join(HEADINGS).split()
    sides = [line.split() for line in (ours, notebook)]
    assert [side[:2] for side in sides] == [["tiny", "reportgen"], ["tiny", "notebook"]]
    transfers, passes = ([int(side[at]) for side in sides] for at in (5, 6))
    assert passes[0] == passes[1]  # both run each prompt once: the notebook asks for nothing twice in this card
    assert transfers[0] < 1.2 * passes[0]
    assert transfers[0] < transfers[1] / 5


def test_the_shapes_have_the_parameters_of_what_they_are_called() -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        counted = {name: LlamaForCausalLM(LlamaConfig(**shape)).num_parameters() for name, shape in SHAPES.items()}
    assert counted == {"135M": 134_515_008, "1B": 1_235_814_400, "8B": 8_030_261_248}
