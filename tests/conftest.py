"""No test is timed: a slow machine must not fail one."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", settings(deadline=None))
settings.load_profile("untimed")
