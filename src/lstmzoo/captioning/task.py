"""Image captioning: learning to put pictures into words, by cross-entropy or by reward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lstmzoo.captioning.data import Vocabulary
from lstmzoo.captioning.data.captions_simulated import exact_match
from lstmzoo.captioning.data.images import read_images
from lstmzoo.captioning.data.layouts import is_simulated
from lstmzoo.captioning.metrics.scores import Scores, evaluate
from lstmzoo.captioning.models.base import real_steps
from lstmzoo.captioning.models.decode import Decoding, Sentence, decode
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.captioning.scst import BASELINES, Reward, self_critical_loss
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.models.outputs import check_scores
from lstmzoo.registry import register_task
from lstmzoo.training.base import BaseTask, encoder_groups, step_seed

OBJECTIVES = ("cross_entropy", "scst")

# A sentence that ends with one of these is not over.
BAD_ENDINGS = frozenset(
    (
        *("a", "an", "the", "and", "or", "of", "in", "on", "at", "to", "with", "by", "from", "for", "into", "near"),
        *("over", "under", "behind", "through", "its", "his", "her", "their", "is", "are"),
    )
)


@dataclass(frozen=True)
class Caption:
    """What was said about a picture of the test; ``ended`` tells of the best sentence whether it did so by itself."""

    image_id: int | str
    path: str
    sentences: list[str]
    references: list[str]
    ended: bool


@dataclass(frozen=True)
class CaptionResults:
    """The outcome of a test.

    Attributes:
        scores: the field's numbers, computed once over the whole set, of the best sentence of each picture.
        captions: what was said.
        bad_endings: share of the best sentences that end in an article, a preposition or the like, are empty, or do not
            end.
        unended: share of those that do not end: they reach the largest number of words, and are kept as they are.
        words: mean number of words.
        decoding: how the sentences were made.
        exact: share of the best sentences that are true and well worded; of simulated pictures only, where all that
            may be said is known.
        ensemble: checkpoints whose probabilities were averaged; empty where one spoke alone.
    """

    scores: Scores
    captions: list[Caption]
    bad_endings: float
    unended: float
    words: float
    decoding: dict[str, Any]
    exact: float | None = None
    ensemble: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {
            **self.scores.with_gaps(),
            "bad_endings": self.bad_endings,
            "unended": self.unended,
            "words": self.words,
            **({} if self.exact is None else {"exact_match": self.exact}),
            "pictures": len(self.captions),
            "tokenizer": self.scores.tokenizer,
            "remark": self.scores.remark,
            "decoding": self.decoding,
            **({"ensemble": [*self.ensemble]} if self.ensemble else {}),
        }


@register_task("captioning")
class CaptioningTask(BaseTask):
    """Cross-entropy on the true words, or self-critical training on CIDEr-D; the best checkpoint is that by CIDEr-D.

    Args:
        model: registered name of a captioner.
        model_args: its arguments.
        vocabulary: as `Vocabulary.to_dict` gives it.
        objective: cross_entropy or scst, which goes on from a checkpoint trained by cross-entropy.
        label_smoothing: share of the target that is spread over all words.
        sampling_max: scheduled sampling: most that the share of the model's own words among its inputs grows to.
        sampling_step: by how much it grows at a time.
        sampling_every: epochs from one time to the next.
        baseline: scst: what a sample is measured against: mean (of the other samples), or greedy.
        samples: scst: samples per picture.
        encoder_lr: peak learning rate of the encoder; None leaves it as it is.
        decoding: how sentences are made in validation and test; see `Decoding`.
        **settings: those of `BaseTask`.

    Raises:
        LstmzooError: a setting out of its range.
    """

    monitor = ("val/CIDEr-D", "max")

    def __init__(
        self,
        model: str,
        model_args: dict[str, Any],
        *,
        vocabulary: dict[str, Any],
        objective: str = "cross_entropy",
        label_smoothing: float = 0.1,
        sampling_max: float = 0.25,
        sampling_step: float = 0.05,
        sampling_every: int = 5,
        baseline: str = "mean",
        samples: int = 5,
        encoder_lr: float | None = None,
        decoding: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(model, model_args, vocabulary=vocabulary, **settings)
        if objective not in OBJECTIVES:
            raise LstmzooError(unknown_choice("task.objective", objective, OBJECTIVES))
        if baseline not in BASELINES:
            raise LstmzooError(unknown_choice("task.baseline", baseline, BASELINES))
        if not 0 <= label_smoothing < 1 or not 0 <= sampling_max <= 1 or sampling_step < 0 or sampling_every < 1:
            raise LstmzooError(
                "task.label_smoothing and task.sampling_max lie in 0..1, task.sampling_every is 1 or more"
            )
        if samples < 2 and baseline == "mean":
            raise LstmzooError(
                "task.baseline=mean needs task.samples of at least 2: each is measured against the others"
            )
        if encoder_lr is not None and encoder_lr <= 0:
            raise LstmzooError(
                f"task.encoder_lr must be greater than 0, or null for a frozen encoder, not {encoder_lr}"
            )
        self.save_hyperparameters()
        self.words = Vocabulary.from_dict(vocabulary)
        self.model.words = self.words.words
        self.objective, self.label_smoothing = objective, label_smoothing
        self.sampling_max, self.sampling_step, self.sampling_every = sampling_max, sampling_step, sampling_every
        self.baseline, self.samples = baseline, samples
        self.encoder_lr = encoder_lr
        self.decoding = Decoding.of(decoding or {})
        # In lists: other captioners are no part of this module, nor of its checkpoints.
        self.others: list[Any] = []
        self.ensemble: list[str] = []  # the checkpoints they are from, for the results
        self.speaker: list[Any] = []
        self.reward: Reward | None = None
        self._said: list[tuple[int, list[Sentence]]] = []
        self._loss: list[Tensor] = []  # of each batch, times its words, and their number
        self.model.encoder.requires_grad_(encoder_lr is not None)

    # --- training ------------------------------------------------------------------------------------------------

    @property
    def sampling(self) -> float:
        """The share of the model's own words among its inputs in this epoch."""
        return min(self.sampling_max, self.sampling_step * (self.current_epoch // self.sampling_every))

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.objective == "scst":
            captions = self.trainer.datamodule.train_dataset.captions  # type: ignore[attr-defined]
            self.reward = Reward([record.tokens for record in captions.records], self.words)

    def loss(self, batch: dict[str, Any]) -> Tensor:
        features = self._features(self.model, batch)
        if self.reward is not None:
            seed = step_seed(self.seed, self.current_epoch, self.global_step, self.global_rank)
            loss, gained = self_critical_loss(
                self.model, features, batch["index"].tolist(), self.reward, self.samples, self.baseline, seed,
                self.decoding.max_words,
            )  # fmt: skip
            self.record("reward", gained.sum(), gained.numel())
            return loss
        return self._cross_entropy(features, batch, self.label_smoothing, self.sampling)

    def _cross_entropy(self, features: Tensor, batch: dict[str, Any], smoothing: float, sampling: float) -> Tensor:
        """The mean over all real words, and what the model adds about its attention."""
        words, lengths = batch["words"], batch["lengths"] - 1
        inputs, targets = words[:, :-1], words[:, 1:]
        reads, attention = self.model.read(features, inputs, lengths, sampling)
        real = real_steps(lengths, inputs.shape[1])
        logits = self.model.output(reads[real])
        loss = F.cross_entropy(logits, targets[real], label_smoothing=smoothing)
        return loss + self.model.penalty(attention, real)

    @staticmethod
    def _features(model: Any, batch: dict[str, Any]) -> Tensor:
        return batch["features"] if "features" in batch else model.encode(batch["images"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.adamw(encoder_groups(self.model, self.lr, self.encoder_lr))

    # --- validation and test -------------------------------------------------------------------------------------

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        features = self._features(self.model, batch)
        words = (batch["lengths"] - 1).sum()
        self._loss.append(torch.stack([self._cross_entropy(features, batch, 0.0, 0.0).float() * words, words.float()]))
        self._say(self.model, features, batch)

    def on_validation_epoch_end(self) -> None:
        if not self._said:
            return
        captions = self._collect(self.trainer.datamodule.val_dataset.captions)  # type: ignore[attr-defined]
        scores = _scores(captions, tokenizer="python")  # Java is for the test: it starts slowly
        (total, words), self._loss = torch.stack(self._loss).sum(0), []
        self.log("val/loss", total / words, sync_dist=True)
        for name, value in scores.items():
            self.log(f"val/{name}", value, sync_dist=True)

    def on_test_start(self) -> None:
        others = [model.to(self.device) for model in self.others]
        self.speaker = [Ensemble([self.model, *others]) if others else self.model]

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        (speaker,) = self.speaker
        features: Any = self._features(self.model, batch)
        if self.others:
            features = speaker.encode(self._pictures(batch), {speaker.keys[0]: features})
        self._say(speaker, features, batch)

    def _pictures(self, batch: dict[str, Any]) -> Callable[[int], Tensor]:
        """The pictures of a batch at any size, for encoders other than that of the data."""
        records = self.trainer.datamodule.test_dataset.captions.records  # type: ignore[attr-defined]
        paths = [records[index].path for index in batch["index"].tolist()]
        return lambda side: torch.from_numpy(read_images(paths, side)).to(self.device)

    def on_test_epoch_end(self) -> None:
        dataset: Any = self.trainer.datamodule.test_dataset.captions  # type: ignore[attr-defined]
        captions = self._collect(dataset)
        said = {Path(one.path).name: one.sentences[0] for one in captions}
        self.results = CaptionResults(
            _scores(captions),
            captions,
            bad_endings=_mean(_ends_badly(caption) for caption in captions),
            unended=_mean(not caption.ended for caption in captions),
            words=_mean(len(caption.sentences[0].split()) for caption in captions),
            decoding=asdict(self.decoding),
            exact=exact_match(dataset.root, said) if is_simulated(dataset.root) else None,
            ensemble=self.ensemble,
        )

    def _say(self, speaker: Any, features: Tensor, batch: dict[str, Any]) -> None:
        index = batch["index"].tolist()
        found = decode(speaker, features, self.decoding, index)
        if self.testing:  # in training, the loss tells
            for sentences in found:
                check_scores([sentence.score for sentence in sentences], self.model)
        self._said += zip(index, found, strict=True)

    def _collect(self, dataset: Any) -> list[Caption]:
        """Gather what all processes said, each picture once."""
        said, self._said = self.of_all_processes(self._said), []
        captions = []
        for index, sentences in sorted(dict(said).items()):
            record = dataset.records[index]
            texts = [self.words.decode(sentence.words) for sentence in sentences] or [""]  # of numbers that are nan
            ended = bool(sentences) and sentences[0].finished
            captions.append(Caption(record.image_id, str(record.path), texts, list(record.captions), ended))
        return captions


def _ends_badly(caption: Caption) -> bool:
    """Whether the best sentence is not over."""
    words = caption.sentences[0].split()
    return not caption.ended or not words or words[-1] in BAD_ENDINGS


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def _scores(captions: list[Caption], **options: Any) -> Scores:
    """Measure the best sentences as a whole."""
    references = {caption.image_id: caption.references for caption in captions}
    return evaluate(references, {caption.image_id: caption.sentences[0] for caption in captions}, **options)
