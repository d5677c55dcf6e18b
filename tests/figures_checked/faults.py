"""Everything that is wrong with the figures and slides of a bundle, a line each."""

from reportgen.language import ENGLISH, use_language
from reportgen.look.presentation import Presentation
from reportgen.results.bundle import Bundle
from tests.figures_checked.boxes import find_misplaced
from tests.figures_checked.flat import find_flat
from tests.figures_checked.seen import SeenOutputs, see_outputs
from tests.figures_checked.slides import find_faults_of_slides


def find_faults(bundle: Bundle, presentation: Presentation) -> list[str]:
    """Faults of what the page, the paper, the slides and the figure files of a bundle show.

    What slides say is read in English only.
    """
    return list_faults(bundle, presentation, see_outputs(bundle, presentation))


def list_faults(bundle: Bundle, presentation: Presentation, seen: SeenOutputs) -> list[str]:
    """The same of outputs that were seen."""
    with use_language(presentation.language):
        found = [
            f"{figure.place}: {fault}"
            for figure in seen.figures
            for fault in (*find_misplaced(figure), *find_flat(figure))
        ]
    if presentation.language == ENGLISH:
        found += [fault for deck in seen.decks for fault in find_faults_of_slides(bundle, deck)]
    return list(dict.fromkeys(found))
