"""From a history to its page and its JSON file."""

from pathlib import Path

from reportgen.baseline.history import History, as_json
from reportgen.bundle_folder import beside
from reportgen.errors import Mistake, OutputError


def write_history(history: History, page: Path) -> Path:
    """Writes the page, and the JSON file of the same name beside it, which it returns; both whole or not at all.

    Raises:
        OutputError: they cannot be written.
    """
    data = page.with_suffix(".json")
    if data == page:
        raise OutputError(Mistake("the page would be its own JSON file", "name a .html file with -o", file=page))
    with beside(page) as stage:
        (stage / data.name).write_text(as_json(history), encoding="utf-8")
        (stage / page.name).write_text(_page(history, data.name), encoding="utf-8")
        for file in (data, page):
            (stage / file.name).replace(file)
    return data


def _page(history: History, data: str) -> str:
    from reportgen.figures.describe import texts
    from reportgen.figures.draw import draw
    from reportgen.figures.fonts import typefaces
    from reportgen.figures.style import model_styles
    from reportgen.report.drawn import Drawn
    from reportgen.report.history import html
    from reportgen.report.timelines import described

    figures = described(history)
    faces = typefaces({text for of_probe in figures.values() for figure in of_probe for text in texts(figure)})
    # A pair may name a model that no bundle describes.
    models = [*history.models, *(model for course in history.courses for model in course.models)]
    styles = model_styles(models)
    drawings = {
        probe_id: [
            Drawn(
                figure,
                f"{probe_id}-{'+'.join(figure.subject)}-{figure.name}",
                draw(figure, typefaces=faces, styles=styles).svg("characters"),
            )
            for figure in of_probe
        ]
        for probe_id, of_probe in figures.items()
    }
    return html(history, drawings, data)
