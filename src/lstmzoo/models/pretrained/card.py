"""The model card: config.json in words, with the head that the Hugging Face hub reads."""

from typing import Any

import yaml  # type: ignore[import-untyped]

from lstmzoo.models.metadata import KEY, words_of

OPEN = ("MIT", "Apache-2.0", "CC-BY-4.0", "CC-BY-NC-4.0")
"""Licences that the hub knows by a name."""

RECIPE = ("seed", "model", "data", "task", "optimizer", "scheduler")


def model_card(config: dict[str, Any], name: str, is_shipped: bool = False) -> str:
    """Write the card of weights.

    Args:
        config: as `folder.write_weights` writes it.
        name: what the weights are called.
        is_shipped: whether they are part of this package, so that their name is enough to load them.
    """
    metadata, about, card = config[KEY], config["weights"], config["card"]
    data = metadata["data"].get("name")
    kind = " on ".join(filter(None, [f"`{metadata['model']['name']}`", data and f"`{data}`"]))
    use = f'lstmzoo.load("{name}")' if is_shipped else 'lstmzoo.from_pretrained("FOLDER OR REPOSITORY")'
    parts = [
        f"---\n{yaml.safe_dump(_head(config, name), sort_keys=False)}---\n",
        f"# {name}\n",
        f"{kind}, {about['parameters']:,} parameters, {about['type']}; written by lstmzoo {metadata['version']}.\n",
        f"```python\nimport lstmzoo\n\nmodel = {use}\n```\n",
        *_scores(card, about["type"]),
        f"## Input and output\n\n{_input(metadata)}\n",
        f"## Licence\n\nTraining data: {card.get('licence') or 'not stated'}.\n",
        f"## Failures\n\n{card.get('failures') or 'Not examined.'}\n",
        *_recipe(metadata["config"]),
    ]
    return "\n".join(parts)


def _head(config: dict[str, Any], name: str) -> dict[str, Any]:
    metadata, card = config[KEY], config["card"]
    licence, model, tag = card.get("licence"), metadata["model"], card.get("pipeline_tag")
    head: dict[str, Any] = {"library_name": "lstmzoo"}
    if licence:
        known = licence in OPEN
        head |= {"license": licence.lower()} if known else {"license": "other", "license_name": licence}
    head["tags"] = [*filter(None, ["lstmzoo", "recurrent", card.get("task"), model["name"], model["args"].get("cell")])]
    if tag:
        head["pipeline_tag"] = tag
    if measured := card.get("metrics"):
        head["metrics"] = [*measured[0]["values"]]
        results = [
            {
                "task": {"type": tag or "other"},
                "dataset": {"name": one["data"], "type": one["data"], "split": one["split"]},
                "metrics": [{"type": key, "value": value} for key, value in one["values"].items()],
            }
            for one in measured
        ]
        head["model-index"] = [{"name": name, "results": results}]
    return head


def _scores(card: dict[str, Any], kind: str) -> list[str]:
    lines = [
        f"| {one['data']}, {one['split']} | {key} | {value:.4g} |"
        for one in card.get("metrics", [])
        for key, value in one["values"].items()
    ]
    if not lines:
        return []
    how = [f"- `{one['command']}`, at commit {one['commit'] or 'unknown'}" for one in card["metrics"]]
    if kind == "float16":
        how.append("- of the weights before they were rounded to float16")
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
