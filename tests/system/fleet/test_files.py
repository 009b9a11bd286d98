"""The files that a fleet serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from echod import __version__
from echod.config import load
from tests.system.fleet.tools import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(CONFIG.glob("*/echod.yaml"))


def test_all_are_here() -> None:
    """There is one for each way of deploying."""
    assert {file.parent.name for file in FILES} >= {"ansible", "haproxy", "kubernetes"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_each_is_right(file: Path) -> None:
    """It can be served, and has metrics, by which a fleet is watched."""
    config = load(file, {"ECHOD_ADDRESS": "192.0.2.11"})
    assert config.services
    assert config.top.metrics is not None


def test_the_image_is_this_version() -> None:
    """The manifests name the image of this very version."""
    text = (CONFIG / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["images"] == [{"name": "echod", "newTag": __version__}]
    # As does the overlay that a comment there shows.
    assert f'newTag: "{__version__}"}}]' in text
