"""The checkout is on the path of every test, so that helpers are imported as `tests.rack.machine`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
