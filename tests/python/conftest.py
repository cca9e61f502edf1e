"""Archives written once for all tests, and tests that need a process of their own."""

import os
import subprocess
import sys

import pytest
import torch
import torchship
from support import write_archives


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs a test marked `alone` in a fresh process, where others run beside it in this one."""
    if pyfuncitem.get_closest_marker("alone") is None or "PYTEST_XDIST_WORKER" not in os.environ:
        return None
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-m", "", pyfuncitem.nodeid],
        cwd=pyfuncitem.config.rootpath,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.fail(done.stdout, pytrace=False)
    return True


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small models lose more than they gain by sharing work, above all on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def archives(tmp_path_factory):
    """The path of each small archive, by the name it has in support.BUILDERS."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return write_archives(tmp_path_factory.mktemp("archives"))


@pytest.fixture
def model(archives):
    """Load an archive by its name in support.BUILDERS."""
    return lambda name: torchship.load(archives[name])
