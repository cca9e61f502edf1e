"""torchship.save: what it writes, what it refuses, and what a failure leaves behind."""

import errno
import os
import stat
import warnings
from pathlib import Path

import pytest
import torch
from support import EXAMPLE, TwoModes, legacy
from torch import Tensor, nn
from torchship import save

posix = pytest.mark.skipif(os.name != "posix", reason="permission bits and links as on POSIX")


def load(path):
    return legacy(torch.jit.load, path)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).eval()


def traced_network() -> torch.jit.ScriptModule:
    return legacy(torch.jit.trace, network(), EXAMPLE)


class Exported(nn.Module):
    @torch.jit.export
    def evalforward(self, x: Tensor) -> Tensor:
        return 2 * x


# What is written.


def test_archive_opens_and_answers_as_the_module(tmp_path):
    module = traced_network()
    save(module, tmp_path / "net.pt")
    assert torch.equal(load(tmp_path / "net.pt")(EXAMPLE), module(EXAMPLE))


def test_path_may_be_text(tmp_path):
    save(traced_network(), str(tmp_path / "net.pt"))
    assert os.listdir(tmp_path) == ["net.pt"]


def test_script_function(tmp_path):
    def double(x):
        return 2 * x

    save(legacy(torch.jit.trace, double, EXAMPLE), tmp_path / "f.pt")
    assert torch.equal(load(tmp_path / "f.pt")(EXAMPLE), 2 * EXAMPLE)


def test_traced_methods_without_forward(tmp_path):
    module = TwoModes().eval()
    methods = {"evalforward": EXAMPLE, "trainforward": EXAMPLE}
    save(legacy(torch.jit.trace_module, module, methods, check_trace=False), tmp_path / "r.pt")
    loaded = load(tmp_path / "r.pt")
    assert torch.equal(loaded.evalforward(EXAMPLE), module.evalforward(EXAMPLE))
    assert loaded.trainforward(EXAMPLE).shape == (1, 2)


def test_scripted_methods_without_forward(tmp_path):
    save(legacy(torch.jit.script, Exported().eval()), tmp_path / "r.pt")
    assert torch.equal(load(tmp_path / "r.pt").evalforward(EXAMPLE), 2 * EXAMPLE)


def test_frozen_module(tmp_path):
    module = traced_network()
    save(legacy(torch.jit.freeze, module), tmp_path / "net.pt")
    torch.testing.assert_close(load(tmp_path / "net.pt")(EXAMPLE), module(EXAMPLE))


def test_bytes_do_not_depend_on_the_name(tmp_path):
    module = traced_network()
    save(module, tmp_path / "a.pt")
    save(module, tmp_path / "b.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_copy_for_the_cpu_is_the_same_module(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    module = traced_network()
    save(module, tmp_path / "net.pt")
    assert torch.equal(load(tmp_path / "net.pt")(EXAMPLE), module(EXAMPLE))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("frozen", [False, True])
def test_module_elsewhere_opens_on_cpu_and_stays_there(tmp_path, frozen):
    module = legacy(torch.jit.trace, network().cuda(), EXAMPLE.cuda())
    answer = module(EXAMPLE.cuda()).cpu()
    save(legacy(torch.jit.freeze, module) if frozen else module, tmp_path / "net.pt")
    torch.testing.assert_close(load(tmp_path / "net.pt")(EXAMPLE), answer)
    assert all(parameter.is_cuda for parameter in module.parameters())


# Warnings: only the one about torch.jit.save is silenced.


@pytest.mark.parametrize(
    ("category", "message"),
    [
        (UserWarning, "`torch.jit.save` is deprecated"),
        (DeprecationWarning, "`torch.jit.trace` is deprecated"),
    ],
)
def test_other_warnings_are_shown(tmp_path, monkeypatch, category, message):
    stock = torch.jit.save

    def warn_and_write(module, file):
        warnings.warn(message, category, stacklevel=1)
        stock(module, file)

    monkeypatch.setattr(torch.jit, "save", warn_and_write)
    with pytest.warns(category, match="torch.jit"):
        save(traced_network(), tmp_path / "net.pt")


def test_deprecation_of_torch_jit_save_is_silenced(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(traced_network(), tmp_path / "net.pt")


# What is refused.


@pytest.mark.parametrize("thing", [network(), network().state_dict(), "net.pt", None])
def test_only_torchscript_is_saved(tmp_path, thing):
    with pytest.raises(TypeError, match=r"trace it first with torchship\.trace\(module, example\)"):
        save(thing, tmp_path / "net.pt")
    assert os.listdir(tmp_path) == []


def test_training_mode_is_refused_by_name(tmp_path):
    module = traced_network()
    module.get_submodule("2").train()
    with pytest.raises(ValueError, match=r"training mode: 2; call \.eval\(\) before tracing"):
        save(module, tmp_path / "net.pt")
    assert os.listdir(tmp_path) == []


def test_module_traced_in_training_mode_is_refused(tmp_path):
    module = legacy(torch.jit.trace, TwoLayers().train(), EXAMPLE, check_trace=False)
    with pytest.raises(ValueError, match="the module itself, inner, inner.drop;"):
        save(module, tmp_path / "net.pt")


class TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential()
        self.inner.add_module("drop", nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder .*missing"):
        save(traced_network(), tmp_path / "missing" / "net.pt")


def test_folder_as_target_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not a regular file"):
        save(traced_network(), tmp_path)


@posix
def test_special_file_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="not a regular file"):
        save(traced_network(), pipe)
    assert pipe.is_fifo()


# What a failure leaves behind.


def _write_half(module, file):
    file.write(b"half an archive")
    raise OSError(errno.ENOSPC, "No space left on device")


def _fail(*arguments, **options):
    raise OSError(errno.EIO, "Input/output error")


def _interrupt(*arguments, **options):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("owner", "name", "replacement"),
    [
        (torch.jit, "save", _write_half),
        (torch.jit, "save", _interrupt),
        (os, "fsync", _fail),
        (os, "replace", _fail),
    ],
)
@pytest.mark.parametrize("before", [None, b"the old file"])
def test_failure_leaves_the_old_file_alone(tmp_path, monkeypatch, owner, name, replacement, before):
    target = tmp_path / "net.pt"
    if before is not None:
        target.write_bytes(before)
    module = traced_network()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, replacement)
        with pytest.raises((OSError, KeyboardInterrupt)):
            save(module, target)
    assert os.listdir(tmp_path) == ([] if before is None else ["net.pt"])
    assert before is None or target.read_bytes() == before


@posix
def test_data_is_on_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("sync folder" if is_folder else "sync file")
        fsync(descriptor)

    def noted_replace(source, target):
        steps.append("replace")
        assert Path(source).parent == Path(target).parent
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    save(traced_network(), tmp_path / "net.pt")
    assert steps == ["sync file", "replace", "sync folder"]


# Permission bits and links.


@posix
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_new_file_respects_the_umask(tmp_path, umask, mode):
    previous = os.umask(umask)
    try:
        save(traced_network(), tmp_path / "net.pt")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "net.pt").stat().st_mode) == mode


@posix
def test_existing_file_keeps_its_permission_bits(tmp_path):
    target = tmp_path / "net.pt"
    target.touch()
    target.chmod(0o604)
    save(traced_network(), target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o604
    assert target.stat().st_size > 0


@posix
@pytest.mark.parametrize("exists", [True, False])
def test_link_is_followed(tmp_path, exists):
    real, link = tmp_path / "real" / "net.pt", tmp_path / "link.pt"
    real.parent.mkdir()
    if exists:
        real.write_bytes(b"the old file")
    link.symlink_to(Path("real") / "net.pt")
    save(traced_network(), link)
    assert link.is_symlink()
    assert os.listdir(real.parent) == ["net.pt"]
    load(real)
