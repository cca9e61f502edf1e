"""Writers that are killed at random moments leave the old archive or the new one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

KILLS = 200


def test_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "net.pt"
    script = Path(__file__).with_name("kill_writer.py")
    done = subprocess.run(
        [sys.executable, str(script), str(path), str(KILLS)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kept"] + found["replaced"] == KILLS
    assert found["kept"] > 0 and found["replaced"] > 0  # Kills came before and after the rename.
    leftovers = [name for name in os.listdir(tmp_path) if name != "net.pt"]
    assert all(name.startswith(".torchship-") and name.endswith(".tmp") for name in leftovers)
    assert 0 < len(leftovers) <= KILLS  # Some in the middle of writing, and one file for each.
