"""The Ray Serve application that `serve deploy` and KubeRay import: `bridge.ray_app:application`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from bridge.config import load_settings
from bridge.errors import ConfigError
from bridge.worker.ray_serve import RayFleetSettings, fleet_application
from bridge.worker.settings import WorkerSettings


def application(arguments: dict[str, Any]) -> Any:
    """Build the application from its arguments, which are `RayFleetSettings`. Raises ConfigError."""
    try:
        fleet = msgspec.convert(arguments, RayFleetSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"arguments of the Ray Serve application: {error}") from None
    worker = load_settings(Path(fleet.config), os.environ).worker if fleet.config else WorkerSettings()
    return fleet_application(worker, fleet)
