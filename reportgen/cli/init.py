"""`reportgen init`: a battery to start from."""

from pathlib import Path

import click

from reportgen.cli.terminal import tell
from reportgen.errors import BatteryError, Mistake, OutputError

STARTER = """\
# A battery: which models, what to measure, what to make of it.
# `reportgen run FILE` makes the report; `reportgen probes` lists what can be measured.

title: My first report

models:                             # an id of your choice: where the model comes from
  llama: demo:smollm2-135m-instruct # a demo model, a hub id (org/name), a folder or a .gguf file
  gemma: {source: demo:gemma-3-270m, dtype: float32, device: auto}

probes:                             # an id of your choice: the probe and its options
  census: {probe: parameter_census}
  next:
    probe: logit_lens
    prompts: ["The capital of France is", 今天天氣真]
    continue: 3                     # greedy tokens to follow
    top_k: 5
  apple:
    probe: word_similarity
    word: apple
    prompts: lecture/apple          # a prompt set: prompts/lecture.yaml, or one of your own beside this file
    models: [llama]                 # a subset; without it all models are measured

outputs: [html, pdf, figures]
"""


@click.command("init")
@click.argument("path", type=click.Path(path_type=Path), default=Path("report.yaml"))
def command(path: Path) -> None:
    """Write a commented battery to PATH (report.yaml), to start from."""
    try:
        # "x" refuses to overwrite in the same step, so that no one else's file can slip in between
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError as error:
        remedy = f"Name another file: reportgen init {path.with_stem(path.stem + '-2')}"
        raise BatteryError(Mistake(f"{path} exists already; nothing was written", remedy)) from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    tell(f"{path} written. Next: reportgen run {path}")
