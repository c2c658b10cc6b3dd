"""Is a caller's voice a machine's? Detectors give a score, which is a hint: none is sure, and none ends a call."""
