"""`make demo`: five doors, one answer."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOORS = ("eager Python", "torch.jit.load", "torchship.load", "C++ program", "executable")


def test_five_doors_agree():
    done = subprocess.run(
        [sys.executable, ROOT / "models" / "demo.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for door in DOORS:
        (row,) = [line for line in done.stdout.splitlines() if f"│ {door} " in line]
        (answer,) = re.findall(r"-\d+\.\d+", row)
        assert abs(float(answer) + 1.6) < 0.15
    assert "agree to the last bit" in done.stdout
