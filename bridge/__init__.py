"""The bridge between telephone carriers, speech and agents; importing it switches off what libraries tell their makers.

ONNX Runtime from 1.31 on sends usage data to its maker unless this variable is set when it is loaded. Children inherit
it, so every process of the service is covered.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
