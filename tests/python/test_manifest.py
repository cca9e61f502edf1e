"""Reading archives with a manifest: info, digests, and refusals of what contradicts itself."""

import json

import pytest
import torch
import torchship
from handmade import MANIFEST, add_manifest, manifest
from support import check_failure, check_message, cli, cli_json, cli_ok

LINEAR = {
    "name": "forward",
    "inputs": [
        {"name": "x", "kind": "tensor", "dtype": "float32", "shape": ["batch", 3], "device": "cpu"}
    ],
    "output": {
        "kind": "tensor",
        "dtype": "float32",
        "shape": ["batch", 2],
        "tolerance": {"absolute": 1e-6, "relative": 1e-5},
    },
    "dimensions": [
        {"name": "batch", "min": 1, "max": None, "multiple_of": 1, "tried": [1, 2, 7]}
    ],
}
SAMPLE = {
    "method": "forward",
    "origin": "synthetic",
    "inputs": [{"kind": "tensor", "ref": "0.x"}],
    "output": {"kind": "tensor", "ref": "0.out"},
}
TENSORS = {"0.x": torch.ones(2, 3), "0.out": torch.full((2, 2), 2.5)}
FINDING = {
    "code": "unused-input",
    "severity": "warning",
    "message": "the output ignores 'mask'",
    "hint": "",
    "method": "forward",
    "file": "net.py",
    "line": 12,
    "source": "return self.linear(x)",
}
FULL = manifest(
    LINEAR,
    default_method="forward",
    samples=[SAMPLE],
    findings=[FINDING],
    metadata={"author": "Ada"},
)


@pytest.fixture
def linear(archives, tmp_path):
    """Write the archive 'linear' with a manifest; options are those of add_manifest()."""

    def write(content=FULL, tensors=TENSORS, **options):
        return add_manifest(archives["linear"], tmp_path / "m.pt", content, tensors, **options)

    return write


def test_info_tells_what_the_manifest_says(linear):
    info = torchship.info(linear())
    (method,) = info.methods
    (given,) = method.inputs
    assert (given.name, given.kind, given.type, given.dtype) == ("x", "tensor", "Tensor", "float32")
    assert [(size.size, size.symbol) for size in given.shape] == [(-1, 0), (3, -1)]
    (batch,) = method.dimensions
    assert (batch.name, batch.min, batch.max, batch.multiple_of) == ("batch", 1, None, 1)
    assert batch.tried == [1, 2, 7]
    assert method.output.tolerance.relative == 1e-5
    assert info.manifest_version == 1
    assert info.producer.torch == "2.13.0"
    assert info.metadata == {"author": "Ada"}
    assert [(sample.method, sample.origin) for sample in info.samples] == [("forward", "synthetic")]
    (finding,) = info.findings
    assert (finding.file, finding.line, finding.severity) == ("net.py", 12, "warning")
    assert info.default_method == "forward"


def test_inputs_go_by_the_names_of_the_manifest(linear):
    model = torchship.load(linear())
    assert model.run({"x": torch.ones(1, 3)}).tolist() == [[2.5, 2.5]]


def test_inline_inputs_have_the_dtype_of_the_manifest(linear):
    assert "2.5" in cli_ok("run", linear(), "-i", "x=[[1,1,1]]")


def test_info_json(linear):
    told = cli_json("info", linear())
    (method,) = told["methods"]
    assert method["inputs"][0]["shape"] == ["batch", 3]
    assert method["inputs"][0]["dtype"] == "float32"
    assert method["dimensions"] == LINEAR["dimensions"]
    assert method["output"]["tolerance"] == LINEAR["output"]["tolerance"]
    assert told["findings"] == [{**FINDING, "place": ""}]  # Places are the linter's.
    assert told["samples"] == [{"method": "forward", "origin": "synthetic"}]
    assert told["metadata"] == {"author": "Ada"}
    assert told["producer"]["python"] == "3.11.2"
    assert [module["path"] for module in told["modules"]] == [""]
    assert told["modules"][0]["parameters"] == told["parameters"]


def test_info_text(linear):
    text = cli_ok("info", linear())
    for part in (
        "float32[batch, 3]",
        "at least 1",
        "1, 2, 7",
        "1 synthetic",
        "torch 2.13.0, Python 3.11.2",
        "net.py:12: warning: the output ignores 'mask' [unused-input]",
        "    return self.linear(x)",
        "author",
        "Ada",
    ):
        assert part in text


def test_nothing_in_the_file_controls_the_terminal(linear):
    evil = "\x1b[2J\x07\x9b\u202e"
    finding = dict(FINDING, message=evil, file=evil, source=evil, hint=evil)
    path = linear(
        manifest(
            json.loads(json.dumps(LINEAR).replace("batch", "b\\u001b[2J")),
            findings=[finding],
            metadata={evil: evil},
            engines=[],
        ),
    )
    for output in (cli_ok("info", path), cli_ok("info", path, "--json")):
        assert not [c for c in output if c != "\n" and (c < " " or "\x7f" <= c <= "\x9f")]
        assert "\u202e" not in output


def test_archives_of_others_have_modules_too(archives):
    info = torchship.info(archives["rstyle"])
    sizes = {module.path: module.parameters.elements for module in info.modules}
    assert sizes == {"": 0, "linear": 8}
    assert info.manifest_version == 0
    assert info.modules[1].class_name.endswith("Linear")


# Digests.


def flip(name):
    def change(records):
        content = bytearray(records[name])
        content[0] ^= 1
        records[name] = bytes(content)

    return change


@pytest.mark.parametrize("compress", [False, True], ids=["stored", "deflated"])
def test_a_changed_weight_is_refused(linear, compress):
    """The zip's own checksum is right: only the digest tells."""
    with pytest.raises(torchship.ArchiveError) as raised:
        torchship.load(linear(change=flip("data/0"), compress=compress), verify_digests=True)
    check_message(raised.value, "record 'data/0'", "SHA-256", "download it again")


def test_a_check_compares_digests(linear):
    path = linear(change=flip("data/0"))
    torchship.load(path)
    with pytest.raises(torchship.ArchiveError, match="SHA-256"):
        torchship.check(path)
    check_failure(cli("check", path), 1, "SHA-256")
    call = ("run", path, "-i", "x=[[1,2,3]]")
    assert cli_ok(*call)
    check_failure(cli(*call, "--verify-digests"), 1, "SHA-256")


def test_info_reads_no_weights(linear):
    assert torchship.info(linear(change=flip("data/0"))).manifest_version == 1


def test_an_unlisted_record_is_refused(linear):
    path = linear(change=lambda records: records.update({"extra/more": b"x"}))
    with pytest.raises(torchship.ArchiveError) as raised:
        torchship.load(path)
    check_message(raised.value, "'extra/more'", "not listed")


def test_a_missing_record_is_refused(linear):
    path = linear(change=lambda records: records.pop("byteorder"))
    with pytest.raises(torchship.ArchiveError) as raised:
        torchship.load(path)
    check_message(raised.value, "'byteorder'", "missing")


def test_a_flipped_byte_is_refused_without_a_manifest(archives, tmp_path):
    content = bytearray(archives["linear"].read_bytes())
    weight = torch.full((2, 3), 0.5).numpy().tobytes()
    content[content.index(weight)] ^= 1
    (tmp_path / "m.pt").write_bytes(content)
    with pytest.raises(torchship.ArchiveError) as raised:
        torchship.load(tmp_path / "m.pt")
    check_message(raised.value, "linear/data/", "checksum", "download it again")


def test_compressed_archives_open(linear):
    path = linear(compress=True)
    assert torchship.load(path)(torch.ones(1, 3)).tolist() == [[2.5, 2.5]]


# What contradicts itself.


def replaced(**keys):
    return manifest(dict(LINEAR, **keys))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (replaced(name="fly"), "methods[0]: the model's code has no method 'fly'"),
        (replaced(inputs=[]), "methods[0].inputs: lists 0 inputs"),
        (
            replaced(inputs=[{"name": "x", "kind": "str"}]),
            "methods[0].inputs[0]: is of kind str, but the model's code says Tensor",
        ),
        (dict(FULL, default_method="fly"), "default_method: the model's code has no method 'fly'"),
        (dict(FULL, format=2), "format: expected 1, got 2"),
        (dict(FULL, samples=[dict(SAMPLE, inputs=[])]), "samples[0]: has 0 inputs"),
        (dict(FULL, samples=[dict(SAMPLE, method="fly")]), "samples[0]: there is no method 'fly'"),
    ],
)
def test_contradictions(linear, content, words):
    path = linear(content)
    with pytest.raises(torchship.ArchiveError) as raised:
        torchship.info(path)
    check_message(raised.value, f"{path}: {MANIFEST}: ", words)
    check_failure(cli("info", path), 1, words)
