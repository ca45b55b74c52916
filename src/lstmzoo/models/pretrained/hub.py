"""Hugging Face's conventions: save_pretrained, from_pretrained, push_to_hub."""

import os
import tempfile
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from torch import nn

from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models.checkpoint import checkpoint_metadata, load
from lstmzoo.models.pretrained.card import joined, licences_of
from lstmzoo.models.pretrained.names import CONFIG, TENSORS, is_name
from lstmzoo.models.pretrained.weights_folder import write_weights

Own = TypeVar("Own", bound="PretrainedMixin")
Place = str | os.PathLike[str]


def save_pretrained(model: nn.Module, folder: Place, *, float16: bool = False) -> Path:
    """Write a model as a folder of model.safetensors, config.json and README.md.

    Args:
        model: from :func:`lstmzoo.load` or :func:`create_model`; its ``classes`` and ``transform`` are written, too.
        folder: where; weights that are there are replaced.
        float16: round matrices and kernels to float16; they are float32 again when loaded.

    Returns:
        The folder.

    Raises:
        LstmzooError: not a registered model, or one that does not say what its outputs mean; other files in the folder.
    """
    return _save(model, Path(folder).expanduser(), float16)


def _save(model: nn.Module, folder: Path, float16: bool, repository: str = "") -> Path:
    """What is known of scores and failures may not hold for weights that may have changed; the data's licences do."""
    metadata = metadata_of(model)
    card = {"pipeline_tag": getattr(model, "pipeline_tag", ""), "licence": joined(licences_of(metadata))}
    write_weights(folder, model, metadata, card | ({"repository": repository} if repository else {}), float16)
    return folder


def from_pretrained(place: Place, *, revision: str | None = None, map_location: str = "cpu") -> nn.Module:
    """Load a model from a folder, the name of shipped weights, or the Hugging Face hub.

    Args:
        place: a folder that :func:`save_pretrained` or ``lstmzoo export`` wrote, a name of ``lstmzoo list weights``, or
            a repository, ``"owner/name"``. With HF_HUB_OFFLINE=1 it comes from the hub's cache.
        revision: branch, tag or commit of the repository.
        map_location: the device to load to.

    Returns:
        The model in evaluation mode, see :func:`lstmzoo.load`.

    Raises:
        CheckpointError: there is none, or it cannot be read.
        LstmzooError: the hub cannot be reached.
    """
    text = os.fspath(place)
    is_repository = text.count("/") == 1 and not text.startswith((".", "/", "~")) and not os.path.exists(text)
    if is_name(text) or not is_repository:
        return load(Path(text).expanduser(), map_location)
    files = [CONFIG, TENSORS]
    try:
        folder = _hub().snapshot_download(text, revision=revision, allow_patterns=files, library_name="lstmzoo")
    except Exception as error:  # of the hub's client: none, no network, no such repository, not allowed
        absent = f"there is no folder {text!r}, and no repository of this name could be fetched from"
        raise _failed(absent, error) from error
    return load(folder, map_location)


def push_to_hub(
    model: nn.Module,
    repo_id: str,
    *,
    commit_message: str = "Add weights",
    private: bool | None = None,
    float16: bool = False,
) -> str:
    """Upload a model to the Hugging Face hub; its repository is made where there is none.

    Args:
        model: as for :func:`save_pretrained`.
        repo_id: ``"owner/name"``.
        commit_message: what the commit says.
        private: whether a new repository is.
        float16: as for :func:`save_pretrained`.

    Returns:
        The commit's address.

    Raises:
        LstmzooError: huggingface_hub is not installed, or the hub cannot be reached or refuses.
    """
    hub = _hub()
    metadata_of(model)  # what is wrong with the model shows before anything is made
    try:
        repo_id = hub.create_repo(repo_id, private=private, exist_ok=True).repo_id  # with its owner
        with tempfile.TemporaryDirectory() as place:
            folder = _save(model, Path(place, repo_id.rpartition("/")[2]), float16, repo_id)
            return str(hub.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=commit_message).commit_url)
    except LstmzooError:
        raise
    except Exception as error:
        raise _failed(f"cannot write {repo_id!r} to", error) from error


class PretrainedMixin:
    """`save_pretrained`, `from_pretrained` and `push_to_hub` as methods of models."""

    pipeline_tag: ClassVar[str] = ""
    """The hub's name of what the model does."""

    def save_pretrained(self, folder: Place, *, float16: bool = False) -> Path:
        """Write the model to a folder; see :func:`lstmzoo.save_pretrained`."""
        assert isinstance(self, nn.Module)
        return save_pretrained(self, folder, float16=float16)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload the model; see :func:`lstmzoo.push_to_hub`."""
        assert isinstance(self, nn.Module)
        return push_to_hub(self, repo_id, **options)

    @classmethod
    def from_pretrained(cls: type[Own], place: Place, **options: Any) -> Own:
        """Load a model of this class; see :func:`lstmzoo.from_pretrained`."""
        model = from_pretrained(place, **options)
        if not isinstance(model, cls):
            raise CheckpointError(f"{place} holds a {type(model).__name__}, not a {cls.__name__}")
        return model


def metadata_of(model: Any) -> dict[str, Any]:
    """What a model would say about itself in a checkpoint.

    Raises:
        LstmzooError: it is not registered, or has outputs that nothing is said about.
    """
    if not hasattr(model, "model_args"):
        raise LstmzooError(
            f"{type(model).__name__} is no single model of create_model or load; save the members of an ensemble each "
            "for itself, and register a model of your own: @register_model"
        )
    known = getattr(model, "metadata", {"data": {}, "config": {}})
    classes, transform = getattr(model, "classes", None), getattr(model, "transform", {})
    needs = [key for key in ("num_classes", "vocab_size") if model.model_args.get(key)]
    if classes is None and needs and not hasattr(model, "metadata"):
        raise LstmzooError(
            f"{model.model_name} was not trained and does not say what its outputs mean: set model.classes to a list "
            "of names (and model.transform), or save a model from lstmzoo.load"
        )
    return checkpoint_metadata(
        model.model_name,
        model.model_args,
        classes=classes or [],
        transform=transform,
        data=known["data"],
        config=known["config"],
        vocabulary=known.get("vocabulary"),
        licences=licences_of(known),
    )


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise LstmzooError("the Hugging Face hub needs its client: pip install 'lstmzoo[hub]'") from error
    return huggingface_hub


def _failed(what: str, error: Exception) -> LstmzooError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return LstmzooError(f"{what} the Hugging Face hub: {reason}")
