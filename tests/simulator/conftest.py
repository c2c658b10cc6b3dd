"""The plugin's fixtures, whether or not the package's entry point has been installed."""

from bridge.simulator.pytest_plugin import call, city

__all__ = ["call", "city"]
