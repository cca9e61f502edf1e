"""Where an archive's bytes come from: files, memory, descriptors, streams, ciphers."""

import gzip
import io
import os
import subprocess
import sys
import threading

import pytest
import torch
import torchship
from support import EXAMPLE, legacy
from torch import nn


@pytest.fixture
def archive(archives):
    return archives["linear"]


@pytest.fixture
def expected(model):
    return model("linear")(EXAMPLE)


def toggled(data: bytes) -> bytes:
    """A cipher that is its own inverse."""
    return bytes(byte ^ 0x5A for byte in data)


def assert_works(source, expected, name, **options):
    rewind = source.seek if hasattr(source, "seek") else lambda _: None
    loaded = torchship.load(source, **options)
    assert torch.equal(loaded(EXAMPLE), expected)
    assert str(loaded.info.path) == name
    rewind(0)
    assert str(torchship.info(source, **options).path) == name
    rewind(0)
    assert isinstance(torchship.lint(source, **options), list)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes(archive, expected, kind):
    assert_works(kind(archive.read_bytes()), expected, "<bytes>")


def test_buffer_is_kept_alive(archive, expected):
    loaded = torchship.load(bytearray(archive.read_bytes()))
    bytearray(archive.stat().st_size)  # What would take the memory of a buffer let go.
    assert torch.equal(loaded(EXAMPLE), expected)
    assert loaded.info.file_size == archive.stat().st_size


def test_buffer_is_held_while_the_model_lives(archive):
    data = bytearray(archive.read_bytes())
    loaded = torchship.load(data)
    with pytest.raises(BufferError):
        data.clear()
    del loaded
    data.clear()


def test_strided_buffers_are_refused(archive):
    with pytest.raises(TypeError, match="contiguous"):
        torchship.load(memoryview(archive.read_bytes())[::2])


def test_bytes_io(archive, expected):
    assert_works(io.BytesIO(archive.read_bytes()), expected, "<BytesIO>")


def test_open_file(archive, expected):
    with archive.open("rb") as file:
        assert_works(file, expected, str(archive))
    with archive.open("rb", buffering=0) as file:
        assert_works(file, expected, str(archive))
    with archive.open("rb") as file:
        loaded = torchship.load(file)
    assert torch.equal(loaded(EXAMPLE), expected)


def test_file_that_was_read_goes_on_from_there(archive, expected, tmp_path):
    path = tmp_path / "prefixed"
    path.write_bytes(b"head" + archive.read_bytes())
    with path.open("rb") as file:
        file.read(4)
        assert torch.equal(torchship.load(file)(EXAMPLE), expected)


def test_file_that_decompresses(archive, expected, tmp_path):
    path = tmp_path / "m.pt.gz"
    path.write_bytes(gzip.compress(archive.read_bytes()))
    with gzip.open(path) as file:
        assert_works(file, expected, str(path))


def test_pipe(archive, expected):
    reader, writer = os.pipe()

    def pour():
        with open(writer, "wb") as out:
            out.write(archive.read_bytes())

    thread = threading.Thread(target=pour)
    thread.start()
    with open(reader, "rb") as file:
        loaded = torchship.load(file)
    thread.join()
    assert torch.equal(loaded(EXAMPLE), expected)


def test_text_files_are_refused(archive):
    with archive.open("r", encoding="latin-1") as file, pytest.raises(TypeError, match="'rb'"):
        torchship.load(file)


@pytest.mark.parametrize("source", [b"", io.BytesIO()])
def test_nothing_is_no_archive(source):
    with pytest.raises(torchship.ArchiveError, match="the file is empty"):
        torchship.load(source)


def test_other_bytes_are_no_archive():
    with pytest.raises(torchship.ArchiveError, match="<bytes>: is not a TorchScript archive"):
        torchship.info(b"model.pt")


def test_wrong_kinds_are_refused():
    with pytest.raises(TypeError):
        torchship.load(7)


def test_decrypt(archive, expected, tmp_path):
    path = tmp_path / "m.pt.enc"
    path.write_bytes(toggled(archive.read_bytes()))
    assert_works(path, expected, str(path), decrypt=toggled)
    assert_works(path.read_bytes(), expected, "<bytes>", decrypt=toggled)
    with pytest.raises(torchship.ArchiveError, match="is no zip file"):
        torchship.load(path)


def test_decrypt_may_return_any_buffer(archive, expected):
    loaded = torchship.load(archive, decrypt=lambda data: memoryview(bytearray(data)))
    assert torch.equal(loaded(EXAMPLE), expected)


def test_decrypt_errors_name_the_file(archive):
    def fail(data):
        raise KeyError("no such key")

    with pytest.raises(torchship.ArchiveError) as caught:
        torchship.load(archive, decrypt=fail)
    assert f"{archive}: cannot be decrypted: KeyError: 'no such key'" in str(caught.value)

    def interrupted(data):
        raise KeyboardInterrupt

    for read in (torchship.load, torchship.info):
        with pytest.raises(KeyboardInterrupt):
            read(archive, decrypt=interrupted)
    with pytest.raises(torchship.ArchiveError, match="decrypt returned str, not bytes"):
        torchship.load(archive, decrypt=lambda data: "text")
    with pytest.raises(torchship.ArchiveError, match="is not a TorchScript archive"):
        torchship.load(archive, decrypt=toggled)


def test_decrypt_runs_in_other_threads(archive, expected):
    results = []

    def work():
        results.append(torchship.load(archive, decrypt=bytes)(EXAMPLE))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(torch.equal(result, expected) for result in results)


@pytest.mark.parametrize("map", [True, False])
def test_mapping_changes_no_result(archives, map):
    for name in ("linear", "training"):
        stock = legacy(torch.jit.load, archives[name]).eval()
        loaded = torchship.load(archives[name], map=map, optimize=False)
        assert torch.equal(loaded(EXAMPLE), stock(EXAMPLE))


def test_a_model_that_writes_its_state_leaves_the_file_alone(archives):
    before = archives["counter"].read_bytes()
    loaded = torchship.load(archives["counter"])
    first = loaded(1)
    assert loaded(1) != first
    assert archives["counter"].read_bytes() == before
    assert torchship.load(archives["counter"])(1) == first


# What a process has to itself: pages that others map too are not among them.
PRIVATE = """
import sys, torch, torchship
def private():
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024
torchship.load(sys.argv[2])  # What the first load of a process takes, whatever it loads.
x = torch.ones(1)
before = private()
model = torchship.load(sys.argv[1], engine="interpreter")
model(x)
print(private() - before, flush=True)
sys.stdin.read()
"""


def test_processes_share_the_weights(archive, tmp_path):
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.rand(90 << 18))

        def forward(self, x):
            return (self.weight * x).sum()

    path = tmp_path / "large.pt"
    torchship.save(legacy(torch.jit.trace, Large().eval(), torch.ones(1)), path)
    command = [sys.executable, "-c", PRIVATE, path, archive]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as first:
        first.stdout.readline()  # It has loaded the model, and keeps it.
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as second:
            grown = int(second.stdout.readline())
            second.stdin.close()
        first.stdin.close()
    assert grown < 0.1 * path.stat().st_size
