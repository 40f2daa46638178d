"""The benchmarks: `python -m benchmarks`. They measure and judge; they are no tests."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "local"))  # process.py and postgres.py, which `make run` uses too
