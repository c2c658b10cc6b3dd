"""`python -m bridge.worker`: serve speech synthesis without the rest of the bridge."""

import sys

from bridge.worker.main import main

sys.exit(main())
