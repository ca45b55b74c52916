"""Segmentation of video: the foreground, the objects whose masks are given in the first frame, or classes of pixels."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from lstmzoo.errors import CheckpointError, LstmzooError, unknown_choice
from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.registry import datasets, register_task
from lstmzoo.segmentation.data.masks import VOID
from lstmzoo.segmentation.data.simulator import read_occlusions
from lstmzoo.segmentation.datamodule import SegmentationDataModule
from lstmzoo.segmentation.losses import build_loss
from lstmzoo.segmentation.metrics import PROTOCOLS, DavisScores
from lstmzoo.segmentation.models import Segmenter
from lstmzoo.segmentation.models.guided import TeacherMasks
from lstmzoo.segmentation.models.segment_stream import LEAST_FRAME
from lstmzoo.segmentation.results import SegmentationResults, occlusion_scores
from lstmzoo.segmentation.scoring import score_folder, score_video
from lstmzoo.segmentation.semantic.protocol import DUMMY_CLASSES, SEMANTIC, PixelClasses, check_protocol
from lstmzoo.segmentation.targets import FULL_FORCING, Targets, TeacherForcing, draw_targets
from lstmzoo.training.base import BaseTask
from lstmzoo.training.interface import Config
from lstmzoo.training.optimization import State, encoder_groups
from lstmzoo.training.predictor import Inspector, Predictor


@register_task("segmentation", lr=2e-3, warmup_epochs=1.0)
class SegmentationTask(BaseTask):
    """Segmentation of video: the foreground, the objects of a first mask, or a class for every pixel.

    Training minimises a loss on the masks of clips; J and F, or the IoU of classes, are measured on whole videos, frame
    by frame with carried state.

    Args:
        model: registered name of a segmentation model.
        model_args: its arguments.
        protocol: unsupervised: find the foreground; semi-supervised: follow the objects of the first mask; semantic: a
            class for every pixel, by cross-entropy.
        loss: bce, dice, soft_iou, lovasz, or a sum of them, e.g. bce+dice; not of classes.
        class_weights: semantic: median_frequency makes up for rare classes; null: every pixel is worth the same.
        teacher_forcing: guided models: true previous masks in training.
        max_objects: semi-supervised: most objects that are followed in a training clip; how many, and which, is drawn.
        encoder_lr: peak learning rate of the encoder; null: it stays as it is.
        val_full_size: validate at the size of the files; false: at that of the model, which is faster.
        flip_test: test: average with the prediction for the mirrored video.
        reset_every: test: reset the memory after so many frames, to see what it is worth; null: never.
        shuffle_test: test: show the frames in a random order, to see whether the order matters.
        **settings: those of `BaseTask`.

    Raises:
        LstmzooError: a setting out of its range.
    """

    monitor = ("val/J&F", "max")
    headline = "J&F-Mean"
    shown: ClassVar = {"train/J": ".1%", "train/accuracy": ".1%", "val/J&F": ".1%", "val/mIoU": ".1%"}
    data_module: ClassVar = SegmentationDataModule
    model_class: ClassVar[type] = Segmenter
    default_model, default_data = "segment_recurrent", "davis_simulated"
    transform_keys = ("size",)
    TRAINING_ONLY: ClassVar = (
        *BaseTask.TRAINING_ONLY,
        *("loss", "class_weights", "teacher_forcing", "max_objects", "encoder_lr", "val_full_size"),
    )
    INHERITED = ("protocol",)
    dummy_labels: ClassVar[Any] = []

    def __init__(
        self,
        model: str,
        model_args: dict[str, Any],
        *,
        protocol: Literal["unsupervised", "semi-supervised", "semantic"] = "unsupervised",
        loss: str = "bce+soft_iou",
        class_weights: Literal["median_frequency"] | None = None,
        teacher_forcing: TeacherForcing = FULL_FORCING,
        max_objects: int = 3,
        encoder_lr: float | None = 2e-3,
        val_full_size: bool = False,
        flip_test: bool = False,
        reset_every: int | None = None,
        shuffle_test: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(model, model_args, **settings)
        if protocol not in (*PROTOCOLS, SEMANTIC):
            raise LstmzooError(unknown_choice("task.protocol", protocol, (*PROTOCOLS, SEMANTIC)))
        if class_weights not in (None, "median_frequency"):
            raise LstmzooError(unknown_choice("task.class_weights", class_weights, ("median_frequency", "null")))
        self.semi_supervised = protocol == "semi-supervised"
        self.pixels: PixelClasses | None = None
        if protocol == SEMANTIC:
            self.pixels = PixelClasses(self.model, self.classes, class_weights is not None)
            self.monitor = self.pixels.monitor
        self._check_model()
        check_sizes(max_objects=max_objects)
        if encoder_lr is not None and encoder_lr <= 0:
            raise LstmzooError(
                f"task.encoder_lr must be greater than 0, or null for a frozen encoder, not {encoder_lr}"
            )
        self.protocol, self.mask_loss = protocol, build_loss(loss)
        self.teacher_forcing, self.max_objects = teacher_forcing, max_objects
        self.encoder_lr = encoder_lr
        if reset_every is not None and (reset_every < 1 or not self.model.streams):
            raise LstmzooError(
                f"task.reset_every={reset_every}: it is 1 or more frames, of a model that takes one at a time"
            )
        self.val_full_size = val_full_size
        self.test_options = {"flip": flip_test, "reset_every": reset_every, "shuffle": shuffle_test}
        self._targets: Targets | None = None
        self._scores: list[Any] = []
        self.model.encoder.requires_grad_(encoder_lr is not None)
        self.model.encoder.train()  # once more: a frozen one also keeps its statistics

    # --- what the commands ask for -------------------------------------------------------------------------------

    @classmethod
    def check_transform(cls, transform: Mapping[str, Any], origin: str) -> None:
        super().check_transform(transform, origin)
        if max(transform["size"]) < LEAST_FRAME:
            raise CheckpointError(f"{origin}: its frames of {transform['size']} pixels are too small to segment")

    @classmethod
    def open_data(
        cls, config: Config, *, split: str = "test", simulate: bool = False, model: Any | None = None
    ) -> SegmentationDataModule:
        data, protocol = dict(config["data"]), config["task"]["protocol"]
        name = data.pop("name")
        dataset = datasets.get(name).target
        check_protocol(name, dataset, protocol)
        return SegmentationDataModule(
            dataset,
            **data,
            seed=config["seed"],
            test_split=split,
            semi_supervised=protocol == "semi-supervised",
            simulate=simulate,
        )

    @classmethod
    def from_config(cls, config: Config, labels: Any) -> "SegmentationTask":
        """Build the task with a new model, and try it on one frame; labels are the classes of pixels, if any."""
        if config["task"]["encoder_lr"] is None and config["model"].get("encoder") == "small":
            raise LstmzooError(
                "the encoder 'small' starts from scratch, so it has to be trained: give task.encoder_lr, e.g. 1e-3, or "
                "choose one with ImageNet weights (model.encoder=efficientnet_lite0 model.pretrained_encoder=true)"
            )
        transform = {"size": [int(side) for side in config["data"]["size"]]}
        forcing = TeacherForcing(**config["task"]["teacher_forcing"])
        if config["task"]["protocol"] == SEMANTIC:
            labels = labels or DUMMY_CLASSES
        numbers = {"num_classes": len(labels)} if labels else {}
        task: SegmentationTask = cls.build(
            config, numbers, classes=labels, transform=transform, teacher_forcing=forcing
        )
        task.try_frames(channels=3)
        return task

    @classmethod
    def predictor(cls) -> type[Predictor[Any, Any]]:
        from lstmzoo.segmentation.predict import SegmentationPredictor

        return SegmentationPredictor

    @classmethod
    def inspector(cls) -> type[Inspector]:
        from lstmzoo.segmentation.inspect import SegmentationInspector

        return SegmentationInspector

    @classmethod
    def headline_of(cls, classes: list[str]) -> str:
        return PixelClasses.headline if classes else cls.headline

    score = staticmethod(score_folder)

    # --- training ------------------------------------------------------------------------------------------------

    def _check_model(self) -> None:
        name = self.model.model_name
        if self.semi_supervised and not self.model.guided:
            raise LstmzooError(
                f"{name!r} takes no first mask; for task.protocol=semi-supervised choose model=segment_guided or "
                "model=segment_matching"
            )
        if self.semi_supervised and self.tbptt_window == 1:
            raise LstmzooError(
                "task.tbptt_window must be 2 or more: there is nothing to learn in a frame whose mask is given"
            )
        if not self.model.streams and self.tbptt_window is not None:
            raise LstmzooError(f"{name!r} needs whole clips: choose task.tbptt_window=null")

    def num_frames(self, batch: dict[str, Any]) -> int:
        return batch["video"].shape[1]

    def dummy_batch(self) -> dict[str, Any]:
        height, width = self.transform["size"]
        masks = torch.zeros(2, 3, height, width, dtype=torch.uint8)
        masks[..., height // 4 : height // 2, width // 4 : width // 2] = 1
        return {"video": torch.randint(256, (2, 3, 3, height, width), dtype=torch.uint8), "masks": masks}

    @torch.no_grad()
    def check_model(self, batch: dict[str, Any]) -> None:
        """A model streams, unless it says that it does not: frame by frame it gives the logits of the whole clip."""
        whole, state = self.model(batch["video"])[0], None
        for t, frame in enumerate(batch["video"].unbind(1) if self.model.streams else ()):
            logits, state = self.model.step(frame, state)
            torch.testing.assert_close(logits, whole[:, t], rtol=1e-3, atol=1e-4)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.pixels is not None:
            self.pixels.begin(self.trainer.datamodule.train_dataset, self.device)  # type: ignore[attr-defined]

    def window_loss(self, batch: dict[str, Any], frames: slice, state: State) -> tuple[Tensor, State]:
        if self.pixels is not None:
            logits, state = self.model(batch["video"][:, frames], state=state)
            return self._class_loss(self.pixels, logits, batch["masks"][:, frames]), state
        begins = not frames.start
        if begins or self._targets is None:
            self._targets = self._draw(batch["masks"])
        objects, valid, known = (values[:, frames] for values in self._targets)
        options: dict[str, Any] = {"teacher": TeacherMasks(objects, known)} if self.model.guided else {}
        first = objects[:, 0] if self.semi_supervised and begins else None
        logits, state = self.model(batch["video"][:, frames], first, state, **options)
        if first is not None:  # there the masks themselves are the answer
            logits, objects, valid = logits[:, 1:], objects[:, 1:], valid[:, 1:]
        logits, objects, valid = (x.flatten(0, 2) for x in (logits, objects, valid.unsqueeze(2).expand_as(objects)))
        self._record_jaccard(logits > 0, objects > 0.5, valid)
        return self.mask_loss(logits, objects, valid), state

    def _class_loss(self, pixels: PixelClasses, logits: Tensor, labels: Tensor) -> Tensor:
        self.record("accuracy", (logits.argmax(2) == labels).sum(), int((labels != VOID).sum()))
        return pixels.loss(logits, labels)

    def _draw(self, ids: Tensor) -> Targets:
        """The targets of a batch of clips with the numbers of their objects, uint8 (B, T, H, W)."""
        teacher = self.teacher_forcing.share(self.current_epoch)
        targets = draw_targets(ids, self.max_objects if self.semi_supervised else None, teacher)
        return targets._replace(objects=targets.objects.to(self.dtype))

    def _record_jaccard(self, predicted: Tensor, true: Tensor, valid: Tensor) -> None:
        """Note the mean of J over the masks (N, H, W) of a window in which there is anything."""
        both, either = ((masks & valid).flatten(1).sum(1) for masks in (predicted & true, predicted | true))
        there = either > 0
        self.record("J", (both[there] / either[there]).sum(), int(there.sum()))

    def parameter_groups(self) -> list[dict[str, Any]]:
        return encoder_groups(self.model, self.lr, self.encoder_lr)

    # --- validation and test -------------------------------------------------------------------------------------

    def validation_step(self, item: dict[str, Any], batch_idx: int) -> None:
        self._measure(item, full_size=self.val_full_size)

    def on_validation_epoch_end(self) -> None:
        if self.pixels is not None:
            self.log_dict(self.pixels.summary(self._collect()), sync_dist=True)
            return
        scores = DavisScores([found.scores for found in self._collect()])
        if scores.objects():
            summary = scores.summary()
            for name, number in {"J&F": "J&F-Mean", "J": "J-Mean", "F": "F-Mean", "J-decay": "J-Decay"}.items():
                self.log(f"val/{name}", summary[number], sync_dist=True)

    def test_step(self, item: dict[str, Any], batch_idx: int) -> None:
        self._measure(item, full_size=True, examples=True, **self.test_options)

    def on_test_epoch_end(self) -> None:
        found = self._collect()
        if self.pixels is not None:
            self.results = self.pixels.results(found)
            return
        scores = DavisScores([one.scores for one in found])
        dataset = self.trainer.datamodule.test_dataset  # type: ignore[attr-defined]
        occlusions = occlusion_scores(scores, read_occlusions(dataset.root))
        examples = [one.examples for one in found if one.examples is not None]
        self.results = SegmentationResults(
            scores, self.protocol, dataset.split, [worst for worst, _ in examples], [best for _, best in examples],
            occlusions,
        )  # fmt: skip

    def _measure(self, item: dict[str, Any], *, full_size: bool, **options: Any) -> None:
        """Segment a whole video and score it; one with too few masks from the first object on is skipped."""
        size = tuple(self.transform["size"])
        options |= {"full_size": full_size, "check": self.testing}  # in training, the loss tells
        if self.pixels is not None:
            self._scores.append(self.pixels.score(self.model, item, size, **options))
            return
        score = score_video(self.model, item, size, semi_supervised=self.semi_supervised, **options)
        self._scores += [] if score is None else [score]

    def _collect(self) -> list[Any]:
        """Gather what all processes found, each video once, in their order."""
        found, self._scores = {one.index: one for one in self.of_all_processes(self._scores)}, []
        return [found[index] for index in sorted(found)]
