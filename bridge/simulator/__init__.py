"""The other end of the line: carrier double, callers, ear, scenarios, load, reports, pytest plugin.

This is the other company. It shares no code with `bridge.carriers` or `bridge.gateway`, down to the mu-law tables,
so that a misreading on our side is heard instead of being shared.
"""
