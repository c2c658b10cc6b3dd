"""The bridge's own sentences, one YAML file per language that a translator can mend without touching code.

To add a language: copy `en.yaml`, name it by its tag (`sv.yaml`), translate the sentences and leave the keys.
"""

from __future__ import annotations

import functools
from importlib import resources

import yaml

DEFAULT = "en"


@functools.cache
def sentences(language: str) -> dict[str, str]:
    """The sentences in a language such as `de` or `de-AT`, by their keys; what has no translation is in English."""
    tag = language.replace("_", "-").partition("-")[0].lower()
    english = _read(DEFAULT)
    return english if tag == DEFAULT or tag not in languages() else {**english, **_read(tag)}


@functools.cache
def languages() -> frozenset[str]:
    """The tags of the languages that there is a file for."""
    files = resources.files(__package__).iterdir()
    return frozenset(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def _read(tag: str) -> dict[str, str]:
    text = resources.files(__package__).joinpath(f"{tag}.yaml").read_text(encoding="utf-8")
    return {str(key): str(sentence) for key, sentence in yaml.safe_load(text).items()}
