"""Archives written once for all tests."""

import pytest
import torch
import torchship
from support import write_archives


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
