"""What `make gallery` has made: reports of the shipped batteries, with a few figures of each and what makes them."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from docs.generate.places import ROOT
from docs.generate.probe_figures import CHOSEN
from docs.generate.quoting import QuoteError, quote_entry, read_cached
from reportgen.figures.describe import Figure
from reportgen.outputs.make import FILE_OF
from reportgen.report.content.bundle_figures import describe_bundle, draw_figures, list_stems
from reportgen.results.bundle import Bundle, load_bundle
from reportgen.results.failure_mark import refuse_failed
from reportgen.results.files import is_bundle

GALLERY = ROOT / "build" / "gallery"
BATTERIES = ROOT / "reports"
SHOWN = 4
"""Figures of a report, at most."""
ACROSS = 900
"""Pixels across of a thumbnail: twice what it takes on a page, for fine screens."""
MOST_BYTES = 40_000_000
"""Of all pages, PDFs and slides together that go into the documentation."""


@dataclass(frozen=True)
class GalleryFigure:
    """A figure of a report, small, and what makes it."""

    stem: str
    alt: str
    statement: str
    """What its probe found."""
    quoted: str
    """The battery that makes it, of this probe alone."""
    thumbnail: bytes
    """A PNG."""
    anchored: bool
    """Whether the report's page has a place of its own for it."""


@dataclass(frozen=True)
class GalleryReport:
    """A report that was made from a shipped battery."""

    name: str
    """Of its battery's file, and of its folder."""
    title: str
    told: str
    """The first comment of its battery."""
    figures: Sequence[GalleryFigure]
    outputs: Mapping[str, Path]
    """Format -> its file, of those that were made."""


class GalleryError(Exception):
    """A folder of the gallery is not a whole report of a shipped battery as that is now."""


def read_gallery(folder: Path = GALLERY, batteries: Path = BATTERIES) -> list[GalleryReport]:
    """The reports in a folder, in the order of their names; none where there is no such folder.

    Raises:
        GalleryError: one failed, or is older than its battery.
        BundleError: one is damaged, or its last run failed.
    """
    return [_read_report(one, batteries) for one in sorted(folder.glob("*")) if is_bundle(one)]


def choose_outputs(reports: Sequence[GalleryReport], most_bytes: int = MOST_BYTES) -> set[Path]:
    """Files that fit into so many bytes together: all pages before the first PDF, all PDFs before the first slides."""
    chosen: set[Path] = set()
    left = most_bytes
    for form in FILE_OF:
        for file in (report.outputs[form] for report in reports if form in report.outputs):
            if file.stat().st_size <= left:
                chosen.add(file)
                left -= file.stat().st_size
    return chosen


def read_first_comment(battery: str) -> str:
    """What a battery says of itself before its first key, on one line; not the line that editors read."""
    found = re.match(r"(?:#.*\n)*", battery)
    lines = found[0].splitlines() if found else []
    return " ".join(line.lstrip("# ") for line in lines if "yaml-language-server" not in line)


def _read_report(folder: Path, batteries: Path) -> GalleryReport:
    battery = batteries / f"{folder.name}.yaml"
    bundle = load_bundle(folder)
    _check_bundle(bundle, folder, battery)
    outputs = {form: folder / name for form, name in FILE_OF.items() if (folder / name).is_file()}
    page = outputs["html"].read_text() if "html" in outputs else ""
    told = read_first_comment(battery.read_text())
    return GalleryReport(folder.name, bundle.title, told, list(_make_figures(bundle, battery, page)), outputs)


def _check_bundle(bundle: Bundle, folder: Path, battery: Path) -> None:
    again = f"make gallery REPORTS={folder.name}"
    if not battery.is_file():
        raise GalleryError(f"{folder}: there is no {battery.name} that it is made of; remove the folder")
    refuse_failed(bundle.run, folder)
    if bundle.failed:
        raise GalleryError(f"{folder}: a probe failed; its card in report.html says why. Then: {again}")
    entries = read_cached(battery).probes
    now = {id: entry.options.model_dump(mode="json", by_alias=True, exclude_none=True) for id, entry in entries.items()}
    # Any model: one of them may have been without some prompts, for which it has no tokens.
    same = (any(one.options == now.get(id) for one in by.values()) for id, by in bundle.outcomes.items())
    if list(now) != list(bundle.outcomes) or not all(same):
        raise GalleryError(f"{folder}: it is older than {battery.name}; {again}")


def _make_figures(bundle: Bundle, battery: Path, page: str) -> Iterator[GalleryFigure]:
    described = describe_bundle(bundle)
    telling = _spread(_find_telling(bundle, list_stems(described)))
    for one in draw_figures(bundle, described, only=telling, cache=True):
        try:
            quoted = quote_entry(battery, one.probe_id)
        except QuoteError as error:
            raise GalleryError(str(error)) from error
        statement = described.statements[one.probe_id]
        thumbnail = shrink_picture(one.drawing.content("png"))
        anchored = f'id="figure-{one.stem}"' in page
        yield GalleryFigure(one.stem, one.description.alt, statement, quoted, thumbnail, anchored)


def _find_telling(bundle: Bundle, figures: Sequence[tuple[str, str, Figure]]) -> list[str]:
    """The stem of one figure of each probe that has any, in the report's order."""
    found: dict[str, str] = {}
    for probe_id, stem, figure in figures:
        probe = next(iter(bundle[probe_id].values())).probe
        if probe_id not in found and figure.name == CHOSEN.get(probe, figure.name):
            found[probe_id] = stem
    return list(found.values())


def _spread(stems: Sequence[str], most: int = SHOWN) -> list[str]:
    """At most so many, from all over a report: what it begins with is often the plainest."""
    count = min(len(stems), most)
    return [stems[at * len(stems) // count] for at in range(count)]


def shrink_picture(png: bytes, across: int = ACROSS) -> bytes:
    """A PNG of so many pixels across at most, in 256 colours; figures have few."""
    with Image.open(io.BytesIO(png)) as picture:
        plain = Image.new("RGB", picture.size, "white")
        plain.paste(picture, mask=picture.convert("RGBA").getchannel("A"))
    if plain.width > across:
        plain = plain.resize((across, max(round(plain.height * across / plain.width), 1)), Image.Resampling.LANCZOS)
    small = io.BytesIO()
    plain.quantize(256, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()
