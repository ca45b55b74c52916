"""Image captioning: learning to describe images, by cross-entropy or by reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lstmzoo.captioning.agreement_score import agreement_by_image, asks_agreement
from lstmzoo.captioning.data.captions_simulator import exact_match
from lstmzoo.captioning.data.layouts import is_simulated
from lstmzoo.captioning.data.square_images import read_images
from lstmzoo.captioning.data.vocabulary import Vocabulary
from lstmzoo.captioning.datamodule import CaptionDataModule
from lstmzoo.captioning.models.captioner import Captioner, real_steps
from lstmzoo.captioning.models.decode import Decoding, Sentence, decode
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.captioning.results import Caption, CaptionResults, measure, score_file
from lstmzoo.captioning.scheduled_sampling import ScheduledSampling
from lstmzoo.captioning.scst import BASELINES, Reward, self_critical_loss
from lstmzoo.captioning.setup import load_captioner, open_data, vocabulary_of
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.models.outputs import check_scores
from lstmzoo.registry import register_task
from lstmzoo.training.base import BaseTask
from lstmzoo.training.interface import Config
from lstmzoo.training.optimization import encoder_groups, step_seed

OBJECTIVES = ("cross_entropy", "scst")


@register_task("captioning", lr=7e-4, warmup_epochs=0.5, gradient_clip_val=5.0)
class CaptioningTask(BaseTask):
    """A caption for every image, by cross-entropy or CIDEr-D; the best checkpoint is that by CIDEr-D.

    Args:
        model: registered name of a captioner.
        model_args: its arguments.
        vocabulary: as `Vocabulary.to_dict` gives it.
        objective: cross_entropy, on the true words; or scst: self-critical, by CIDEr-D, from a captioner that
            start_from names.
        encoder_lr: peak learning rate of the encoder; null: frozen, its features are computed once and kept.
        label_smoothing: share of the target that is spread over all words, 0..1.
        scheduled_sampling: how many of the model's own words are among its inputs.
        baseline: scst: a sample's reward is compared with the mean of the others' (mean) or the greedy sentence's.
        samples: scst: sentences drawn per image.
        ensemble: eval: further checkpoints, whose probabilities are averaged with the model's.
        decoding: how sentences are generated in validation and test.
        **settings: those of `BaseTask`.

    Raises:
        LstmzooError: a setting out of its range.
    """

    monitor = ("val/CIDEr-D", "max")
    headline = "CIDEr-D"
    data_module = CaptionDataModule
    model_class = Captioner
    ensemble_class = Ensemble
    default_model, default_data, default_experiment = "caption_nic", "captions_simulated", "captions"
    has_vocabulary = True
    dummy_labels = {"specials": ["<pad>", "<bos>", "<eos>", "<unk>"], "words": ["one", "another"]}  # noqa: RUF012
    shown: ClassVar = {"train/reward": ".3f", "val/loss": ".3f", "val/CIDEr-D": ".3f"}
    NOT_SETTINGS = (*BaseTask.NOT_SETTINGS, "tbptt_window")
    NOT_STORED = ("start_from", "ensemble", "objective")
    TRAINING_ONLY = (
        *(*BaseTask.TRAINING_ONLY, "objective", "label_smoothing", "scheduled_sampling", "baseline", "samples"),
    )
    INHERITED = ("decoding",)

    def __init__(
        self,
        model: str,
        model_args: dict[str, Any],
        *,
        vocabulary: dict[str, Any],
        objective: Literal["cross_entropy", "scst"] = "cross_entropy",
        encoder_lr: float | None = None,
        label_smoothing: float = 0.1,
        scheduled_sampling: ScheduledSampling = ScheduledSampling(),  # noqa: B008 (never changed)
        baseline: Literal["mean", "greedy"] = "mean",
        samples: int = 5,
        ensemble: Sequence[str] = (),
        decoding: Decoding = Decoding(),  # noqa: B008
        **settings: Any,
    ) -> None:
        super().__init__(model, model_args, vocabulary=vocabulary, **settings)
        if objective not in OBJECTIVES:
            raise LstmzooError(unknown_choice("task.objective", objective, OBJECTIVES))
        if baseline not in BASELINES:
            raise LstmzooError(unknown_choice("task.baseline", baseline, BASELINES))
        if not 0 <= label_smoothing < 1:
            raise LstmzooError(f"task.label_smoothing must lie in 0..1 (1 excluded), not {label_smoothing}")
        if samples < 2 and baseline == "mean":
            raise LstmzooError("task.baseline=mean needs task.samples of at least 2: each is compared with the others")
        if encoder_lr is not None and encoder_lr <= 0:
            raise LstmzooError(f"task.encoder_lr={encoder_lr} must be above 0, or null for a frozen encoder")
        self.words = Vocabulary.from_dict(vocabulary)
        self.model.words = self.words.words
        self.objective, self.label_smoothing = objective, label_smoothing
        self.scheduled_sampling, self.decoding = scheduled_sampling, decoding
        self.baseline, self.samples, self.encoder_lr = baseline, samples, encoder_lr
        # In lists: other captioners are no part of this module, nor of its checkpoints.
        self.others = [load_captioner(path) for path in ensemble]
        self.tested: list[Any] = []
        Ensemble([self.model, *self.others])  # vocabularies that differ show now, not after the data were read
        self.reward: Reward | None = None
        self._found: list[tuple[int, list[Sentence]]] = []
        self._agreed: list[tuple[int, list[bool]]] = []
        self._loss: list[Tensor] = []  # of each batch, times its words, and their number
        self.model.encoder.requires_grad_(encoder_lr is not None)

    # --- what the commands ask -----------------------------------------------------------------------------------

    @classmethod
    def open_data(
        cls, config: Config, *, split: str = "test", simulate: bool = False, model: Any | None = None
    ) -> CaptionDataModule:
        """Build the data module; see `lstmzoo.captioning.setup.open_data`."""
        return open_data(config, split, simulate, model)

    @classmethod
    def from_config(cls, config: Config, labels: Any) -> CaptioningTask:
        """Build the task with a new model; labels are the vocabulary."""
        settings = config["task"]
        if settings["objective"] == "scst" and settings["start_from"] is None:
            raise LstmzooError(
                "task.objective=scst starts from a captioner: give task.start_from=RUN/checkpoints/best.ckpt"
            )
        if settings["start_from"] is not None and labels == cls.dummy_labels:
            labels = vocabulary_of(settings["start_from"])
        task: CaptioningTask = cls.build(
            config,
            {"vocab_size": len(labels["specials"]) + len(labels["words"])},
            classes=[],
            transform={},
            vocabulary=labels,
            decoding=Decoding(**settings["decoding"]),
            scheduled_sampling=ScheduledSampling(**settings["scheduled_sampling"]),
        )
        task.transform = {"size": [task.model.encoder.image_size] * 2}
        return task

    @classmethod
    def adapt_inherited(cls, data: dict[str, Any], task: Mapping[str, Any]) -> None:
        if task["objective"] == "scst" and data.get("flip"):
            data["flip"] = False  # sentences are rewarded by what people said about the images as they are

    @classmethod
    def predictor(cls) -> Any:
        """Return the class behind ``lstmzoo predict``."""
        from lstmzoo.captioning.predict import CaptionPredictor

        return CaptionPredictor

    @classmethod
    def inspector(cls) -> Any:
        """Return the class behind ``lstmzoo inspect``."""
        from lstmzoo.captioning.inspect import CaptionInspector

        return CaptionInspector

    score = staticmethod(score_file)

    def load_weights(self, model: Any) -> None:
        """Take over a captioner's weights; of an `Ensemble` those of the first member, the others stand beside it."""
        first, *others = model.members if isinstance(model, Ensemble) else [model]
        super().load_weights(first)
        self.others = [*others, *self.others]

    # --- training ------------------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.objective == "scst":
            captions = self.trainer.datamodule.train_dataset.captions  # type: ignore[attr-defined]
            self.reward = Reward([record.tokens for record in captions.records], self.words)

    def dummy_batch(self) -> dict[str, Any]:
        side = self.model.encoder.image_size
        words = torch.tensor([[1, 4, 5, 2], [1, 5, 2, 0], [1, 4, 2, 0], [1, 5, 4, 2]])  # two of each image
        images = torch.randint(256, (2, 3, side, side), dtype=torch.uint8)
        return {"images": images, "words": words, "lengths": torch.tensor([4, 3, 3, 4]), "index": torch.arange(2)}

    @torch.no_grad()
    def check_model(self, batch: dict[str, Any]) -> None:
        """Word by word, a model predicts what it predicts of whole sentences."""
        features, words = self.model.encode(batch["images"]), batch["words"][:, :-1]
        whole = self.model.forward(features, words, batch["lengths"] - 1).log_softmax(-1)
        state = self.model.start(features)
        state = state.select(state.rows.repeat_interleave(len(words) // len(features)))
        for t in range(int(batch["lengths"].min()) - 1):
            predicted, state, _ = self.model.step(state, words[:, t])
            torch.testing.assert_close(predicted, whole[:, t], rtol=1e-4, atol=1e-4)

    def loss(self, batch: dict[str, Any]) -> Tensor:
        features = self._features(self.model, batch)
        if self.reward is not None:
            seed = step_seed(self.seed, self.current_epoch, self.global_step, self.global_rank)
            how, index = (self.samples, self.baseline, seed, self.decoding.max_length), batch["index"].tolist()
            loss, gained = self_critical_loss(self.model, features, index, self.reward, *how)
            self.record("reward", gained.sum(), gained.numel())
            return loss
        return self._cross_entropy(
            features, batch, self.label_smoothing, self.scheduled_sampling.share(self.current_epoch)
        )

    def _cross_entropy(self, features: Tensor, batch: dict[str, Any], smoothing: float, sampling: float) -> Tensor:
        """The mean over all real words, and what the model adds about its attention."""
        words, lengths = batch["words"], batch["lengths"] - 1
        inputs, targets = words[:, :-1], words[:, 1:]
        hidden, attention = self.model.teacher_forcing(features, inputs, lengths, sampling)
        real = real_steps(lengths, inputs.shape[1])
        logits = self.model.output(hidden[real])
        loss = F.cross_entropy(logits, targets[real], label_smoothing=smoothing)
        return loss + self.model.penalty(attention, real)

    @staticmethod
    def _features(model: Any, batch: dict[str, Any]) -> Tensor:
        return batch["features"] if "features" in batch else model.encode(batch["images"])

    def parameter_groups(self) -> Any:
        return encoder_groups(self.model, self.lr, self.encoder_lr)

    # --- validation and test -------------------------------------------------------------------------------------

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        features = self._features(self.model, batch)
        words = (batch["lengths"] - 1).sum()
        self._loss.append(torch.stack([self._cross_entropy(features, batch, 0.0, 0.0).float() * words, words.float()]))
        self._caption(self.model, features, batch)

    def on_validation_epoch_end(self) -> None:
        if not self._found:
            return
        captions = self._collect(self.trainer.datamodule.val_dataset.captions)  # type: ignore[attr-defined]
        (total, words), self._loss = torch.stack(self._loss).sum(0), []
        self.log("val/loss", total / words, sync_dist=True)
        for name, value in measure(captions, tokenizer="python").items():  # Java is for the test: it starts slowly
            self.log(f"val/{name}", value, sync_dist=True)

    def on_test_start(self) -> None:
        others = [model.to(self.device) for model in self.others]
        self.tested = [Ensemble([self.model, *others]) if others else self.model]
        self._agreeing = asks_agreement(self.trainer.datamodule.root, self.words.words)  # type: ignore[attr-defined]

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        (tested,) = self.tested
        features: Any = self._features(self.model, batch)
        if self.others:
            features = tested.encode(self._images(batch), {tested.keys[0]: features})
        elif self._agreeing:
            self._agreed += agreement_by_image(self.model, features, batch)
        self._caption(tested, features, batch)

    def _images(self, batch: dict[str, Any]) -> Callable[[int], Tensor]:
        """The images of a batch at any size, for encoders other than that of the data."""
        records = self.trainer.datamodule.test_dataset.captions.records  # type: ignore[attr-defined]
        paths = [records[index].path for index in batch["index"].tolist()]
        return lambda side: torch.from_numpy(read_images(paths, side)).to(self.device)

    def on_test_epoch_end(self) -> None:
        dataset: Any = self.trainer.datamodule.test_dataset.captions  # type: ignore[attr-defined]
        captions = self._collect(dataset)
        members = [getattr(one, "checkpoint", None) for one in (self.model, *self.others)] if self.others else ()
        best = {Path(one.path).name: one.sentences[0] for one in captions}
        agreed = [one for _, some in dict(self.of_all_processes(self._agreed)).items() for one in some]
        self._agreed = []
        self.results = CaptionResults(
            measure(captions),
            captions,
            decoding=asdict(self.decoding),
            exact=exact_match(dataset.root, best) if is_simulated(dataset.root) else None,
            agreement=sum(agreed) / len(agreed) if agreed else None,
            ensemble=[*filter(None, members)],
        )

    def _caption(self, model: Any, features: Tensor, batch: dict[str, Any]) -> None:
        index = batch["index"].tolist()
        found = decode(model, features, self.decoding, index)
        if self.testing:  # in training, the loss tells
            for sentences in found:
                check_scores([sentence.score for sentence in sentences], self.model)
        self._found += zip(index, found, strict=True)

    def _collect(self, dataset: Any) -> list[Caption]:
        """Gather the captions of all processes, each image once."""
        found, self._found = self.of_all_processes(self._found), []
        captions = []
        for index, sentences in sorted(dict(found).items()):
            record = dataset.records[index]
            texts = [self.words.decode(sentence.words) for sentence in sentences] or [""]  # of numbers that are nan
            ended = bool(sentences) and sentences[0].finished
            captions.append(Caption(record.image_id, str(record.path), texts, list(record.captions), ended))
        return captions
