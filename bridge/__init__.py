"""The bridge between telephone carriers, speech and agents; importing it switches off what libraries tell their makers.

ONNX Runtime from 1.31 on sends usage data to its maker unless its variable is set when it is loaded; Ray's and the
Hugging Face hub's are set as well. What the environment says of them does not count, and children inherit it, so that
every process of the service is covered.
"""

import os

os.environ |= {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "RAY_USAGE_STATS_ENABLED": "0"}
