"""Names of earlier versions and what they are called now, so that checkpoints written before keep loading."""

from typing import Any

from lstmzoo.errors import CheckpointError

MODELS = {
    "adaptive": "caption_adaptive",
    "att2in": "caption_att2in",
    "bag": "caption_markov",
    "nic": "caption_nic",
    "soft_attention": "caption_soft_attention",
    "updown": "caption_updown",
}
"""Names of models."""

KEYS = {
    "model": {"picture_size": "feature_size", "pyramid": "dilations", "width": "decoder_channels"},
    "data": {"pictures": "images", "captions_per_picture": "captions_per_image"},
    "task": {
        "sampling_max": "scheduled_sampling.max",
        "sampling_step": "scheduled_sampling.step",
        "sampling_every": "scheduled_sampling.every",
        "decoding.beam_size": "decoding.num_beams",
        "decoding.diversity": "decoding.diversity_penalty",
        "decoding.groups": "decoding.num_beam_groups",
        "decoding.length_power": "decoding.length_penalty",
        "decoding.max_words": "decoding.max_length",
        "decoding.num_captions": "decoding.num_return_sequences",
        "teacher_start": "teacher_forcing.start",
        "teacher_epochs": "teacher_forcing.epochs",
    },
}
"""Keys of a configuration by group; those of ``model`` are the arguments of models, too."""

SCHEDULES = {"constant": "lstmzoo.training.schedule.Constant", "cosine": "lstmzoo.training.schedule.Cosine"}
"""What was task.schedule (with task.schedule_epochs) and is the group ``scheduler`` now."""


def upgrade_metadata(metadata: dict[str, Any]) -> None:
    """Put the names of this version into what a checkpoint says about itself."""
    model = metadata["model"]
    _refuse_changed(metadata)
    model["name"] = MODELS.get(model["name"], model["name"])
    _rename(model["args"], KEYS["model"])
    _rename(metadata["data"], KEYS["data"])
    upgrade_config(metadata["config"])


def upgrade_config(config: dict[str, Any]) -> None:
    """Put the names of this version into the configuration of a run."""
    for group, names in KEYS.items():
        _rename(config.get(group), names)
    model, task = config.get("model"), config.get("task")
    if isinstance(model, dict) and isinstance(model.get("name"), str):
        model["name"] = MODELS.get(model["name"], model["name"])
    if isinstance(task, dict) and isinstance(task.get("schedule"), str) and task["schedule"] in SCHEDULES:
        scheduler = {"_target_": SCHEDULES[task.pop("schedule")], "epochs": task.pop("schedule_epochs", None)}
        if scheduler["_target_"] == SCHEDULES["constant"]:
            del scheduler["epochs"]
        config.setdefault("scheduler", scheduler)


def _refuse_changed(metadata: dict[str, Any]) -> None:
    """Refuse what would load and give other numbers.

    Raises:
        CheckpointError: the model sees its input differently in this version.
    """
    arguments, task = metadata["model"]["args"], metadata["config"].get("task")
    before_timm = isinstance(task, dict) and "schedule" in task
    if before_timm and arguments.get("encoder") == "inception_v3" and arguments.get("input") != "rgb":
        raise CheckpointError(
            "the encoder inception_v3 of earlier versions scaled grey frames differently: train this model again, or "
            "use the version of lstmzoo that wrote the checkpoint"
        )


def _rename(settings: Any, names: dict[str, str]) -> None:
    """Rename keys, given as paths; where the new key is there already, or its group is none, both stay as they are."""
    for old, new in names.items():
        *groups, key = old.split(".")
        source = settings
        for group in groups:
            source = source.get(group) if isinstance(source, dict) else None
        if isinstance(source, dict) and key in source:
            *groups, new_key = new.split(".")
            target = settings
            for group in groups:
                target = target.setdefault(group, {}) if isinstance(target, dict) else None
            if isinstance(target, dict) and new_key not in target:
                target[new_key] = source.pop(key)
