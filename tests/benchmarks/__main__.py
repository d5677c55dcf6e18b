"""Prints the table. Runs nothing but what the wanted rows need, in turn; nothing else should run on the machine."""

from collections.abc import Mapping
from pathlib import Path

import click

from tests.benchmarks.card import demo_card
from tests.benchmarks.measurement import Measurement, growth_table, table
from tests.benchmarks.processes import Neighbours
from tests.benchmarks.rounds import take_rounds
from tests.benchmarks.rows import NAMED, Bench, Row, rows

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "scale.md"
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->"
BUSY = 0.03


def choose_rows(only: str, large: bool) -> Mapping[int, Row]:
    """The rows that were asked for; those that take long are left out unless named, or `large`."""
    known = rows()
    if only:
        return {number: known[number] for number in sorted({NAMED.get(word) or int(word) for word in only.split(",")})}
    return {number: row for number, row in known.items() if large or not row.on_demand}


def write_page(measured: list[Measurement]) -> None:
    """Puts the table of growth between the markers of the page about scale."""
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}{growth_table(measured)}\n{END}{after}")


@click.command()
@click.option("--only", default="", metavar="1,2,…", help="Rows, or phases [default: all but the large model].")
@click.option("--rounds", "count", default=3, show_default=True, help="How often each part runs; medians are told.")
@click.option("--large", is_flag=True, help="Measure the large model too (minutes, and 6.4 GB of disk).")
@click.option("--docs", is_flag=True, help="Write what grows how into docs/explanation/scale.md.")
def main(only: str, count: int, large: bool, docs: bool) -> None:
    """Measure reportgen against a notebook, the least that its numbers cost, and itself."""
    wanted = choose_rows(only, large)
    card = demo_card()
    neighbours = Neighbours()

    def notify(line: str) -> None:
        click.echo(line, err=True)

    rounds = take_rounds(card, (part for row in wanted.values() for part in row.parts), count, notify)
    bench = Bench(card, rounds, count)
    measured = []
    for number, row in wanted.items():
        measured += [(number, one) for one in row.measure(bench)]
        notify(f"row {number} measured")
    click.echo(table(measured))
    share = neighbours.share()
    if share > BUSY:
        click.echo(f"Others used {share:.0%} of the processors meanwhile: measure again when they rest.")
    if docs:
        write_page([one for _, one in measured])


if __name__ == "__main__":
    main(prog_name="python -m tests.benchmarks")
