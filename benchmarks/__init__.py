"""The benchmarks: `python -m benchmarks`. They measure and judge; they are no tests."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "local"))  # its modules, which `make run` uses too
