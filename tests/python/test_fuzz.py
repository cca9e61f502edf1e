"""A short run of the fuzzer; `make fuzz` is the long one."""

import subprocess
from pathlib import Path

import pytest
from fuzz_seeds import write_seeds

FUZZER = Path(__file__).parents[2] / "build" / "make" / "tests" / "cpp" / "fuzz_archives"


@pytest.mark.skipif(not FUZZER.exists(), reason="the C++ tests are not built in build/make")
def test_wrong_archives_are_refused_or_answer_rightly(tmp_path):
    seeds = write_seeds(tmp_path / "seeds")
    done = subprocess.run(
        [FUZZER, *seeds, "--runs", "300", "--keep", tmp_path / "failures"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{300 * len(seeds)} mutants" in done.stdout
    assert "0 failures" in done.stdout
