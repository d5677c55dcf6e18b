"""Models of a plan that have to stay what they were when it was made, until the last of their numbers is there."""

from collections.abc import Iterable

from reportgen.errors import ModelError
from reportgen.model.files.weights_hash import refuse_changed as refuse_changed_files
from reportgen.running.planned import PlannedModel


class ModelChanged(ModelError):
    """A model is no longer what it was when the plan was made."""

    def __init__(self, planned: PlannedModel, error: ModelError) -> None:
        super().__init__(*error.mistakes)
        self.planned = planned


def refuse_changed(models: Iterable[PlannedModel]) -> None:
    """Looks at the files of models that lie on disk; reads none of them.

    Raises:
        Changed: of the first of these models that is no longer what was planned with.
    """
    for planned in models:
        assert planned.readied is not None
        try:
            refuse_changed_files(planned.readied.watched)
        except ModelError as error:
            raise ModelChanged(planned, error) from error
