"""What ``lstmzoo predict`` and ``lstmzoo inspect`` ask of a task; the loop over the inputs is theirs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from lstmzoo.errors import DataError


class Input(Protocol):
    """One thing to predict: a video, an image."""

    @property
    def name(self) -> str:
        """What it is called in tables and file names; unique among the inputs."""


class Outcome(Protocol):
    """What was found in one input."""

    @property
    def name(self) -> str:
        """The name of the input."""

    @property
    def ended_by(self) -> KeyboardInterrupt | None:
        """What stopped the prediction before the end of the input; what was found until then is written."""


In = TypeVar("In", bound=Input)
Out = TypeVar("Out", bound=Outcome)


class Predictor(ABC, Generic[In, Out]):
    """Uses a trained model on files. The arguments of its constructor are the options of ``lstmzoo predict``.

    The command makes it, asks it to `find` the inputs, loads the model, and runs over them; so options and inputs are
    checked in the constructor and in `find`, before anything heavy is done.
    """

    noun: ClassVar[str] = "inputs"
    """What the inputs are, in the plural."""

    model: Any
    """From ``lstmzoo.load``, set by `use`."""

    @abstractmethod
    def find(self, wanted: str, output: Path) -> Sequence[In]:
        """Find the inputs.

        Args:
            wanted: what the person wrote as ``input=``.
            output: folder of the results; earlier results in it are not inputs.

        Raises:
            DataError: there are none.
            LstmzooError: results would overwrite what is given.
        """

    def use(self, model: Any) -> None:
        """Take a model from ``lstmzoo.load``, on its device.

        Raises:
            LstmzooError: it does not go with the options.
        """
        self.model = model

    @abstractmethod
    def predict(self, item: In, output: Path, *, alone: bool) -> Out:
        """Predict one input and write what belongs to it alone.

        Args:
            item: the input.
            output: folder of the results.
            alone: whether it is the only one, so that its own progress is shown.

        Raises:
            DataError: it cannot be read, or the model's outputs are not finite.
        """

    def predict_all(self, items: Sequence[In], output: Path, failures: dict[str, str]) -> Iterator[Out]:
        """Predict one input after the other; several at once where that is faster.

        Args:
            items: the inputs.
            output: folder of the results.
            failures: takes the message of each input that cannot be read, by name.

        Raises:
            DataError: a single input cannot be read.
        """
        for item in items:
            try:
                yield self.predict(item, output, alone=len(items) == 1)
            except DataError as error:
                if len(items) == 1:
                    raise
                failures[item.name] = str(error)

    @abstractmethod
    def finish(self, outcomes: Sequence[Out], failures: Mapping[str, str], output: Path) -> Sequence[str]:
        """Print a summary and write what belongs to all inputs together.

        Returns:
            The names of files worth mentioning.
        """


class Inspector(ABC):
    """Looks inside a model while it works. The arguments of its constructor are the options of ``lstmzoo inspect``."""

    @abstractmethod
    def draw(self, model: Any, wanted: Path, output: Path) -> Sequence[Path]:
        """Draw what happens inside a model.

        Args:
            model: from ``lstmzoo.load``.
            wanted: what the person wrote as ``input=``; `check` has let it pass.
            output: folder of the figures.

        Returns:
            The files.
        """

    def check(self, wanted: Path) -> str:
        """Find out before the model is loaded whether an input can be used.

        Returns:
            Its name, for the folder of the results.

        Raises:
            DataError: it cannot.
        """
        if not wanted.exists():
            raise DataError(f"input {wanted} does not exist")
        return wanted.stem


class SplitInspector(Inspector):
    """An inspector that, without an input, draws the mistakes of a model on a split."""

    def check_split(self, model: Any, dataset: Any) -> None:
        """Find out before the split is measured whether the options go with the model and the data set.

        Raises:
            LstmzooError: they do not.
        """

    @abstractmethod
    def draw_split(self, model: Any, results: Any, dataset: Any, output: Path) -> Sequence[Path]:
        """Draw the results of a test.

        Args:
            model: from ``lstmzoo.load``.
            results: what the test found.
            dataset: what was tested on.
            output: folder of the figures.

        Returns:
            The files.
        """
