"""Archives that do harm, each made from a small honest one, and what the audit says of it.

Each attack changes the records of a scripted or traced module, or the bytes of the zip file. Nothing
here is taken from others' files. `MARK` is where those that could write a file would write it.
"""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from handmade import read_records, write_records
from support import legacy, scripted
from torch import Tensor, nn

CODE = "code/__torch__/attacks.py"


class Victim(nn.Module):
    """What the attacks are put into."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1


class Attack(NamedTuple):
    code: str  # the finding's
    part: str  # of its message
    build: Callable[[Path, Path], Path]  # (honest archive, mark) -> archive
    place: str = ""  # a part of the finding's place or file


ATTACKS: dict[str, Attack] = {}


def attack(code: str, part: str, place: str = ""):
    def register(build: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        ATTACKS[build.__name__] = Attack(code, part, build, place)
        return build

    return register


def honest(folder: Path) -> Path:
    path = folder / "honest.pt"
    legacy(torch.jit.save, scripted(Victim().eval()), str(path))
    return path


def changed(source: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    records = read_records(source)
    change(records)
    return write_records(source.with_name("attack.pt"), records)


def with_code(source: Path, text: str) -> Path:
    """The victim with another class body; its debug records would not fit, so they go."""

    def change(records: dict[str, bytes]) -> None:
        records[CODE] = text.encode()
        records.pop(CODE + ".debug_pkl", None)

    return changed(source, change)


def with_forward(source: Path, *lines: str, before: str = "") -> Path:
    """The victim with another forward, and what comes before it in the file or the class."""
    body = "".join(f"    {line}\n" for line in lines)
    return with_code(
        source,
        before
        + "class Victim(Module):\n  __parameters__ = []\n  __buffers__ = []\n"
        + "  training : bool\n  _is_full_backward_hook : Optional[bool]\n"
        + "  def forward(self: __torch__.attacks.Victim,\n    x: Tensor) -> Tensor:\n"
        + body,
    )


def with_method(source: Path, method: str) -> Path:
    path = with_forward(source, "return torch.add(x, 1)")
    records = read_records(path)
    records[CODE] += method.encode()
    return write_records(path, records)


# Code that is run at load.


@attack("audit-setstate", "__setstate__", "attacks.py")
def setstate_that_writes_a_file(source: Path, mark: Path) -> Path:
    return with_method(
        source,
        "  def __setstate__(self: __torch__.attacks.Victim, state: Any) -> NoneType:\n"
        f"    _0 = torch.save([torch.ones([3])], {str(mark)!r})\n"
        "    self.training = False\n    self._is_full_backward_hook = None\n    return None\n"
        "  def __getstate__(self: __torch__.attacks.Victim) -> Any:\n    return 1\n",
    )


@attack("audit-setstate", "__getstate__", "attacks.py")
def getstate_alone(source: Path, mark: Path) -> Path:
    return with_method(
        source,
        "  def __getstate__(self: __torch__.attacks.Victim) -> int:\n    return 1\n",
    )


@attack("audit-default", "default argument")
def default_argument_that_allocates(source: Path, mark: Path) -> Path:
    return with_method(
        source,
        "  def other(self: __torch__.attacks.Victim,\n    n: List[int]=[0] * 100000000) -> int:\n"
        "    return 1\n",
    )


@attack("audit-operator", "aten::save")
def default_argument_that_writes(source: Path, mark: Path) -> Path:
    return with_method(
        source,
        "  def other(self: __torch__.attacks.Victim,\n"
        f"    n: Tensor=torch.save([1], {str(mark)!r})) -> int:\n    return 1\n",
    )


# Files.


@attack("audit-operator", "aten::from_file")
def from_file_reads_the_host(source: Path, mark: Path) -> Path:
    mark.write_bytes(b"secret")
    return with_forward(source, f"return torch.from_file({str(mark)!r}, False, 6, dtype=0)")


@attack("audit-operator", "aten::from_file")
def from_file_creates_a_file(source: Path, mark: Path) -> Path:
    return with_forward(source, f"return ops.aten.from_file({str(mark)!r}, True, 64, dtype=0)")


@attack("audit-operator", "aten::save")
def save_writes_a_file(source: Path, mark: Path) -> Path:
    return with_forward(source, f"_0 = torch.save([x], {str(mark)!r})", "return x")


# Memory.


@attack("audit-operator", "aten::as_strided", "attacks.py")
def as_strided_by_name(source: Path, mark: Path) -> Path:
    return with_forward(source, "return torch.as_strided(x, [1000000], [1], 1000000)")


@attack("audit-operator", "aten::as_strided", "attacks.py")
def as_strided_as_method(source: Path, mark: Path) -> Path:
    return with_forward(source, "return (x).as_strided([1000000], [1], 1000000)")


@attack("audit-operator", "aten::as_strided", "attacks.py")
def as_strided_by_getattr(source: Path, mark: Path) -> Path:
    return with_forward(source, 'return getattr(x, "as_strided")([1000000], [1], 1000000)')


@attack("audit-operator", "aten::as_strided", "attacks.py")
def as_strided_in_a_hook(source: Path, mark: Path) -> Path:
    path = with_method(
        source,
        "  def hook(self: __torch__.attacks.Victim,\n    x: Tuple[Tensor],\n    y: Tensor) -> Tensor:\n"
        "    return (y).as_strided([1000000], [1], 1000000)\n",
    )
    records = read_records(path)
    records[CODE] = records[CODE].replace(
        b"  training : bool\n", b'  training : bool\n  __forward_hooks__ = ["hook"]\n'
    )
    return write_records(path, records)


@attack("audit-operator", "aten::as_strided", "attacks.py")
def as_strided_in_a_function(source: Path, mark: Path) -> Path:
    return with_forward(
        source,
        "return __torch__.attacks.f(x)",
        before="def f(x: Tensor) -> Tensor:\n"
        "  if bool(torch.gt(torch.sum(x), 0)):\n    y = (x).as_strided([9999999], [1])\n"
        "  else:\n    y = x\n  return y\n",
    )


@attack("audit-operator", "never prints")
def operators_under_another_name(source: Path, mark: Path) -> Path:
    return with_forward(source, "o = ops", "return o.aten.as_strided(x, [1000000], [1], 1000000)")


@attack("audit-operator", "aten::set_")
def set_exchanges_storages(source: Path, mark: Path) -> Path:
    return with_forward(source, "return (x).set_(torch.ones([2]), 0, [1000000], [1])")


@attack("audit-operator", "aten::resize_")
def resize_shows_old_memory(source: Path, mark: Path) -> Path:
    return with_forward(source, "return (x).resize_([100000])")


@attack("audit-operator", "aten::empty")
def empty_shows_old_memory(source: Path, mark: Path) -> Path:
    return with_forward(source, "return torch.empty([100000])")


@attack("audit-operator", "data_ptr")
def data_ptr_tells_addresses(source: Path, mark: Path) -> Path:
    return with_forward(source, "return torch.add(x, ops.mkldnn.data_ptr(x))")


@attack("audit-operator", "prim::id")
def id_tells_addresses(source: Path, mark: Path) -> Path:
    return with_forward(source, "return torch.add(x, ops.prim.id(self))")


@attack("audit-operator", "inductor::_reinterpret_tensor")
def reinterpret_tensor(source: Path, mark: Path) -> Path:
    return with_forward(
        source, "return ops.inductor._reinterpret_tensor(x, [1000000], [1], 1000000)"
    )


@attack("audit-operator", "_sparse_coo_tensor_unsafe")
def sparse_without_checks(source: Path, mark: Path) -> Path:
    return with_forward(
        source,
        "i = torch.full([1, 1], 1000000000, dtype=4)",
        "s = torch._sparse_coo_tensor_unsafe(i, torch.ones([1]), [2])",
        "return (s).to_dense()",
    )


@attack("audit-cast", "without a check")
def object_taken_for_another(source: Path, mark: Path) -> Path:
    return with_forward(
        source,
        "a = unchecked_cast(Tuple[Tensor, Tensor, Tensor], annotate(Optional[Tuple[Tensor]], (x,)))",
        "return (a)[2]",
    )


@attack("audit-cast", "without a check")
def any_taken_for_an_object(source: Path, mark: Path) -> Path:
    return with_forward(
        source,
        "a = annotate(Any, x)",
        "b = unchecked_cast(__torch__.attacks.Box, a)",
        "return b.inside",
        before="class Box:\n  inside : Tensor\n",
    )


# The process and other machines.


@attack("audit-operator", "c10d")
def collective_operators(source: Path, mark: Path) -> Path:
    return with_forward(source, 'return ops._c10d_functional.all_reduce(x, "sum", "0")')


@attack("audit-operator", "prim::rpc")
def remote_calls(source: Path, mark: Path) -> Path:
    return with_forward(source, "_0 = ops.prim.rpc_sync(x)", "return x")


@attack("audit-operator", "aten::manual_seed")
def seed_of_the_process(source: Path, mark: Path) -> Path:
    return with_forward(source, "_0 = torch.manual_seed(1)", "return x")


@attack("audit-operator", "aten::set_grad_enabled")
def gradients_of_the_thread(source: Path, mark: Path) -> Path:
    return with_forward(source, "_0 = torch.set_grad_enabled(True)", "return x")


@attack("audit-operator", "profiler::")
def profiler_of_the_process(source: Path, mark: Path) -> Path:
    return with_forward(source, '_0 = ops.profiler._record_function_enter("x")', "return x")


@attack("audit-operator", "unknown::run")
def operators_nobody_knows(source: Path, mark: Path) -> Path:
    return with_forward(source, "return ops.unknown.run(x)")


@attack("audit-class", "torch.classes")
def native_class_of_another(source: Path, mark: Path) -> Path:
    return with_method(
        source,
        "  def other(self: __torch__.attacks.Victim,\n"
        "    a: __torch__.torch.classes.dist_rpc.WorkerInfo) -> int:\n    return 1\n",
    )


@attack("audit-pickle", "posix system", "data.pkl")
def pickle_that_calls_the_shell(source: Path, mark: Path) -> Path:
    class Shell:
        def __reduce__(self):
            import os

            return os.system, (f"touch {mark}",)

    def change(records: dict[str, bytes]) -> None:
        records["data.pkl"] = pickle.dumps(Shell(), protocol=2)

    return changed(source, change)


@attack("audit-pickle", "posix system", "traced_inputs.pkl")
def pickle_beside_the_model(source: Path, mark: Path) -> Path:
    class Shell:
        def __reduce__(self):
            import os

            return os.system, (f"touch {mark}",)

    def change(records: dict[str, bytes]) -> None:
        records["traced_inputs.pkl"] = pickle.dumps(Shell(), protocol=2)

    return changed(source, change)


# Memory and time without end.


@attack("audit-huge", "billion elements")
def huge_tensor(source: Path, mark: Path) -> Path:
    return with_forward(source, "return torch.zeros([1000000, 1000000])")


@attack("audit-huge", "elements")
def huge_list(source: Path, mark: Path) -> Path:
    return with_forward(source, "a = torch.mul([0], 1000000000000)", "return torch.add(x, a[0])")


@attack("audit-huge", "billion times")
def loops_in_loops(source: Path, mark: Path) -> Path:
    return with_forward(
        source,
        "y = x",
        "for i in range(1000000):",
        "  z = y",
        "  for j in range(1000000):",
        "    z = torch.add(z, 1)",
        "  y = z",
        "return y",
    )


@attack("audit-huge", "compiler itself")
def string_that_the_compiler_widens(source: Path, mark: Path) -> Path:
    return with_forward(source, 'a = "a".ljust(1000000000000, "b")', "return torch.add(x, len(a))")


@attack("audit-huge", "compiler itself")
def string_that_the_compiler_doubles(source: Path, mark: Path) -> Path:
    doubled = [f"a{i + 1} = torch.add(a{i}, a{i})" for i in range(45)]
    return with_forward(source, 'a0 = "aaaaaaaa"', *doubled, "return torch.add(x, len(a45))")


@attack("audit-huge", "compiler itself")
def tuple_type_that_doubles(source: Path, mark: Path) -> Path:
    doubled = [f"a{i + 1} = (a{i}, a{i})" for i in range(45)]
    return with_forward(source, "a0 = x", *doubled, "return x")


@attack("audit-huge", "call each other")
def calls_that_double(source: Path, mark: Path) -> Path:
    functions = "def f0(x: Tensor) -> Tensor:\n  return torch.add(x, 1)\n" + "".join(
        f"def f{i + 1}(x: Tensor) -> Tensor:\n"
        f"  return __torch__.attacks.f{i}(__torch__.attacks.f{i}(x))\n"
        for i in range(40)
    )
    return with_forward(source, "return __torch__.attacks.f40(x)", before=functions)


# Native code.

ELF = b"\x7fELF\x02\x01\x01" + bytes(100)


@attack("audit-native-code", "library", "extra/lib.so")
def shared_object(source: Path, mark: Path) -> Path:
    return changed(source, lambda records: records.update({"extra/lib.so": ELF}))


@attack("audit-native-code", "library", "extra/notes.txt")
def shared_object_under_another_name(source: Path, mark: Path) -> Path:
    return changed(source, lambda records: records.update({"extra/notes.txt": ELF}))


@attack("audit-native-code", "library", "extra/picture.png")
def windows_program(source: Path, mark: Path) -> Path:
    program = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + bytes(50)
    return changed(source, lambda records: records.update({"extra/picture.png": program}))


@attack("audit-native-code", "compiled engine", "engines/cpu.pt2")
def compiled_engine(source: Path, mark: Path) -> Path:
    name = "extra/torchship/engines/cpu.pt2"
    return changed(source, lambda records: records.update({name: b"PK"}))


# The zip file. What the ordinary reader refuses has the code "" here.


def rewritten(source: Path, change: Callable[[bytearray], None]) -> Path:
    content = bytearray(source.read_bytes())
    change(content)
    path = source.with_name("attack.pt")
    path.write_bytes(content)
    return path


def moved(source: Path, at: int, inserted: bytes) -> Path:
    """The file with bytes inserted before the record or directory at `at`, offsets put right."""
    content = source.read_bytes()
    end = content.rfind(b"PK\5\6")
    count, size, start = struct.unpack_from("<HII", content, end + 10)
    locator = content.rfind(b"PK\6\7")
    if locator >= 0:
        end64 = struct.unpack_from("<Q", content, locator + 8)[0]
        count, size, start = struct.unpack_from("<QQQ", content, end64 + 32)
    directory = bytearray(content[start : start + size])
    position = 0
    for _ in range(count):
        name, extra, comment = struct.unpack_from("<HHH", directory, position + 28)
        (offset,) = struct.unpack_from("<I", directory, position + 42)
        if offset >= at:
            struct.pack_into("<I", directory, position + 42, offset + len(inserted))
        position += 46 + name + extra + comment
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, size, start + len(inserted), 0)
    path = source.with_name("attack.pt")
    path.write_bytes(content[:at] + inserted + content[at:start] + bytes(directory) + tail)
    return path


@attack("audit-zip", "before the first record")
def shell_script_before_the_archive(source: Path, mark: Path) -> Path:
    return moved(source, 0, b"#!/bin/sh\nexit 0\n")


@attack("audit-zip", "before the first record")
def program_before_the_archive(source: Path, mark: Path) -> Path:
    return moved(source, 0, b"MZ" + bytes(510))


@attack("audit-zip", "belong to no record")
def bytes_between_records(source: Path, mark: Path) -> Path:
    with zipfile.ZipFile(source) as archive:
        offset = sorted(info.header_offset for info in archive.infolist())[2]
    return moved(source, offset, b"hidden payload")


@attack("audit-zip", "before the zip directory")
def bytes_before_the_directory(source: Path, mark: Path) -> Path:
    with zipfile.ZipFile(source) as archive:
        return moved(source, archive.start_dir, b"hidden payload")


@attack("audit-zip", "after its zip directory")
def payload_in_the_comment(source: Path, mark: Path) -> Path:
    records = read_records(source)
    path = write_records(source.with_name("attack.pt"), records)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"hidden payload"
    return path


@attack("", "zip")
def payload_after_the_end(source: Path, mark: Path) -> Path:
    return rewritten(source, lambda content: content.extend(b"hidden payload"))


@attack("", "overlaps")
def records_that_overlap(source: Path, mark: Path) -> Path:
    path = write_records(source.with_name("attack.pt"), read_records(source))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        first, second = archive.infolist()[:2]
        start = archive.start_dir
    # The second record lies inside the first, whose content ends with a whole record.
    inner = content[second.header_offset : second.header_offset + 30 + len(second.filename)]
    data = inner + archive_data(content, second)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(first.filename, bytes(data))
        for info in zipfile.ZipFile(io.BytesIO(content)).infolist()[1:]:
            archive.writestr(info.filename, zipfile.ZipFile(io.BytesIO(content)).read(info))
    made = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    entry = start + 46 + len(first.filename)
    struct.pack_into("<I", made, entry + 42, 30 + len(first.filename))
    path.write_bytes(made)
    return path


def archive_data(content: bytearray, info: zipfile.ZipInfo) -> bytes:
    start = info.header_offset + 30 + len(info.filename)
    return bytes(content[start : start + info.compress_size])


@attack("audit-zip-bomb", "inflates", "extra/zeros")
def deflate_bomb(source: Path, mark: Path) -> Path:
    path = write_records(source.with_name("attack.pt"), read_records(source))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/extra/zeros", bytes(64 << 20))
    return path


def with_entry(source: Path, info: zipfile.ZipInfo, content: bytes) -> Path:
    path = write_records(source.with_name("attack.pt"), read_records(source))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, content)
    return path


@attack("audit-zip", "symbolic link", "extra/link")
def symbolic_link(source: Path, mark: Path) -> Path:
    info = zipfile.ZipInfo("archive/extra/link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return with_entry(source, info, b"/etc/passwd")


@attack("audit-zip", "comment", "extra/text")
def record_with_a_comment(source: Path, mark: Path) -> Path:
    info = zipfile.ZipInfo("archive/extra/text")
    info.comment = b"hidden payload"
    return with_entry(source, info, b"text")


@attack("audit-zip", "extra field", "extra/text")
def record_with_an_extra_field(source: Path, mark: Path) -> Path:
    info = zipfile.ZipInfo("archive/extra/text")
    info.extra = struct.pack("<HH", 0x7777, 6) + b"hidden"
    return with_entry(source, info, b"text")


# Packages, which are refused with words of their own under any policy.


def package(source: Path, names: list[str]) -> Path:
    path = source.with_name("attack.pt2")
    with zipfile.ZipFile(path, "w") as archive:
        for name in ["archive_format", "version", *names]:
            archive.writestr(f"package/{name}", b"1")
    return path


@attack("audit-native-code", "a library of machine code", "data/aotinductor/model/a.so")
def package_with_a_library(source: Path, mark: Path) -> Path:
    return package(source, ["data/aotinductor/model/a.so", "data/aotinductor/model/a.cpp"])


@attack("", "start a compiler")
def package_of_source_alone(source: Path, mark: Path) -> Path:
    return package(source, ["data/aotinductor/model/a.cpp"])
