"""The model card: config.json in words, with the head that the Hugging Face hub reads."""

from collections.abc import Iterable
from typing import Any

import yaml  # type: ignore[import-untyped]

from lstmzoo.models.metadata import KEY, words_of
from lstmzoo.registry import datasets

OPEN = ("MIT", "Apache-2.0", "CC-BY-4.0", "CC-BY-NC-4.0")
"""Licences that the hub knows by a name."""

NOT_STATED = "not stated"
"""What the licence of data is called of which none is known; with the name of the data set behind it."""

RECIPE = ("seed", "model", "data", "task", "optimizer", "scheduler")


def model_card(config: dict[str, Any], name: str, is_shipped: bool = False) -> str:
    """Write the card of weights.

    Args:
        config: as `folder.write_weights` writes it; its card's ``repository`` is where on the hub they will be.
        name: what the weights are called.
        is_shipped: whether they are part of this package, so that their name is enough to load them.
    """
    metadata, about, card = config[KEY], config["weights"], config["card"]
    data = metadata["data"].get("name")
    kind = " on ".join(filter(None, [_members(config) or f"`{metadata['model']['name']}`", data and f"`{data}`"]))
    place = card.get("repository") or "FOLDER OR REPOSITORY"
    use = f'lstmzoo.load("{name}")' if is_shipped else f'lstmzoo.from_pretrained("{place}")'
    parts = [
        f"---\n{yaml.safe_dump(_head(config, name), sort_keys=False)}---\n",
        f"# {name}\n",
        f"{kind}, {about['parameters']:,} parameters, {about['type']}; written by lstmzoo {metadata['version']}.\n",
        f"```python\nimport lstmzoo\n\nmodel = {use}\n```\n",
        *_scores(card, about["type"]),
        f"## Input and output\n\n{_input(metadata)}\n",
        f"## Licence\n\nTraining data: {card.get('licence') or NOT_STATED}.\n",
        f"## Failures\n\n{card.get('failures') or 'Not examined.'}\n",
        *(_recipe(metadata["config"]) if "members" not in config else []),
    ]
    return "\n".join(parts)


def model_of(config: dict[str, Any]) -> str:
    """The model's name in a table of weights."""
    return f"ensemble of {len(config['members'])}" if "members" in config else str(config[KEY]["model"]["name"])


def _members(config: dict[str, Any]) -> str:
    names = " and ".join(f"`{name}`" for name in config.get("members", ()))
    return f"An ensemble, the mean of the probabilities of {names}" if names else ""


def licences_of(metadata: dict[str, Any]) -> list[str]:
    """The licences of the data that a model was trained on: as stored, or of its data set; `NOT_STATED` is one, too.

    A data set's ``material`` names the settings with which other people's pictures become part of it.
    """
    if "licences" in metadata:
        return [*metadata["licences"]]
    settings = metadata["data"]
    name = settings.get("name")
    if not name:
        return []
    target = datasets.get(name).target if name in datasets.names() else None
    foreign = [f"{NOT_STATED} (data.{key})" for key in getattr(target, "material", ()) if settings.get(key)]
    return [getattr(target, "licence", "") or f"{NOT_STATED} ({name})", *foreign]


def joined(licences: Iterable[str]) -> str:
    """Licences in one text: all of them hold."""
    return " and ".join(dict.fromkeys(licences))


def _head(config: dict[str, Any], name: str) -> dict[str, Any]:
    metadata, card = config[KEY], config["card"]
    licence, model, tag = card.get("licence"), metadata["model"], card.get("pipeline_tag")
    head: dict[str, Any] = {"library_name": "lstmzoo"}
    if licence and NOT_STATED not in licence:
        known = licence in OPEN
        head |= {"license": licence.lower()} if known else {"license": "other", "license_name": licence}
    kind = ["ensemble"] if "members" in config else [model["name"], model["args"].get("cell")]
    head["tags"] = [*filter(None, ["lstmzoo", "recurrent", card.get("task"), *kind])]
    if tag:
        head["pipeline_tag"] = tag
    if measured := card.get("metrics"):
        head["metrics"] = [*measured[0]["values"]]
        results = [
            {
                "task": {"type": tag or "other"},
                "dataset": {"name": f"{one['data']}{_sequences(one)}", "type": one["data"], "split": one["split"]},
                "metrics": [{"type": key, "value": value} for key, value in one["values"].items()],
            }
            for one in measured
        ]
        head["model-index"] = [{"name": name, "results": results}]
    return head


def measured_on(entry: dict[str, Any]) -> str:
    """Data set and split of a measurement, and of how many sequences it is."""
    return f"{entry['data']}, {entry['split']}{_sequences(entry)}"


def headline(card: dict[str, Any]) -> str:
    """The one score that the task is known by, and the split it was measured on."""
    for entry in card["metrics"][:1]:
        if card["headline"] in entry["values"]:
            score = f"{card['headline']} {entry['values'][card['headline']]:.3f}"
            return f"{score} ({entry['split']}{_sequences(entry)})"
    return "not measured"


def _sequences(entry: dict[str, Any]) -> str:
    count = len(entry.get("sequences", ())) or entry.get("num_sequences", 0)
    return f", {count} sequence{'s' * (count > 1)}" if count else ""


def _where(entry: dict[str, Any]) -> str:
    return f", of {', '.join(entry['sequences'])}" if entry.get("sequences") else ""


def _scores(card: dict[str, Any], kind: str) -> list[str]:
    lines = [
        f"| {measured_on(one)} | {key} | {value:.4g} |"
        for one in card.get("metrics", [])
        for key, value in one["values"].items()
    ]
    if not lines:
        return []
    how = [f"- `{one['command']}`, at commit {one.get('commit') or 'unknown'}{_where(one)}" for one in card["metrics"]]
    if kind == "float16" and any(one.get("type", "float32") != kind for one in card["metrics"]):
        how.append("- of the weights before they were rounded to float16")
    how.append("- where the data are elsewhere than in training, with `data.root=FOLDER`")
    table = ["| measured on | measure | |", "|---|---|---|", *lines]
    return ["## Scores\n", "\n".join(table) + "\n", "\n".join(how) + "\n"]


def _input(metadata: dict[str, Any]) -> str:
    transform = ", ".join(f"{key} {value}" for key, value in metadata["transform"].items())
    lines = [f"Input: {transform or 'not stated'}."]
    if metadata["classes"]:
        lines.append(f"Classes: {', '.join(metadata['classes'])}.")
    if "vocabulary" in metadata:
        lines.append(f"Vocabulary: {len(words_of(metadata['vocabulary'])):,} words.")
    return " ".join(lines)


def _recipe(config: dict[str, Any]) -> list[str]:
    recipe = {key: config[key] for key in RECIPE if key in config}
    if not recipe:
        return []
    if "max_epochs" in (trainer := config.get("trainer", {})):
        recipe["trainer"] = {"max_epochs": trainer["max_epochs"]}
    return [f"## Recipe\n\n```yaml\n{yaml.safe_dump(recipe, sort_keys=False, default_flow_style=None)}```\n"]
