import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.compute.tensor_files import file_hash
from hwgen.errors import InputError
from hwgen.recogniser.loading import load_reader
from hwgen.recogniser.onnx import model_file
from hwgen.recogniser.onnx.model_file import read_model
from tests.onnx_models import LABELS, Classifier, export, needs_onnx

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _onnx(one_thread: None) -> None:
    needs_onnx()


def changed(file: Path, change: Any) -> Path:
    """The model after a change of its protobuf message."""
    import onnx

    model = onnx.ModelProto.FromString(file.read_bytes())
    change(model)
    file.write_bytes(model.SerializeToString())
    return file


def external(file: Path, location: str = "m.onnx.data") -> Path:
    """The model with its weights in another file."""
    import onnx

    model = onnx.load(str(file))
    onnx.save(
        model,
        str(file),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=location,
        size_threshold=0,
    )
    assert (file.parent / location).stat().st_size > 0
    return file


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    file = export(Classifier(), tmp_path / "m.onnx")
    found = read_model(file)
    assert found.sha256 == file_hash(file)
    assert found.content == file.read_bytes()


def test_weights_in_a_file_beside_it_are_read_and_hashed(tmp_path: Path) -> None:
    given = np.random.default_rng(0).integers(0, 256, (4, 16, 16), dtype=np.uint8)
    plain = load_reader(export(Classifier(), tmp_path / "a" / "m.onnx"), CPU).read(given)
    file = external(export(Classifier(), tmp_path / "b" / "m.onnx"))
    first = load_reader(file, CPU)
    np.testing.assert_allclose(first.read(given), plain, atol=1e-6)
    weights = tmp_path / "b" / "m.onnx.data"
    data = np.frombuffer(weights.read_bytes(), np.float32) * np.float32(0.5)
    weights.write_bytes(data.tobytes())
    assert load_reader(file, CPU).sha256 != first.sha256
    weights.write_bytes(data.tobytes()[:-4])
    with pytest.raises(
        InputError, match=r"failed to read its weights from 'm\.onnx\.data' \(expected"
    ):
        load_reader(file, CPU)
    weights.unlink()
    with pytest.raises(InputError, match="Copy all files of the model into one folder"):
        load_reader(file, CPU)


OUTSIDE = r"names weights outside its folder"
LINKED = r"are a link to a file outside its folder.* --local-dir FOLDER"
UNREAD = r"failed to read its weights from"


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("../secret", OUTSIDE),
        ("/etc/hostname", OUTSIDE),
        ("link", LINKED),
        ("folder/secret", LINKED),
        ("\0", UNREAD),
        ("", UNREAD),
    ],
)
def test_weights_outside_the_folder_are_never_opened(
    tmp_path: Path, location: str, message: str
) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 10_000)
    file = external(export(Classifier(), tmp_path / "m" / "m.onnx"))
    os.symlink(tmp_path / "secret", tmp_path / "m" / "link")
    os.symlink(tmp_path, tmp_path / "m" / "folder")

    def move(model: Any) -> None:
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = location

    with pytest.raises(InputError, match=message):
        load_reader(changed(file, move), CPU)


def test_time_grows_linearly_with_the_number_of_weights(tmp_path: Path) -> None:
    import onnx

    file = export(Classifier(), tmp_path / "m.onnx")
    (tmp_path / "data").write_bytes(bytes(4))
    one = onnx.TensorProto(dims=[1], data_type=onnx.TensorProto.FLOAT, name="w")
    one.data_location = onnx.TensorProto.EXTERNAL
    one.external_data.add(key="location", value="data")

    def calls(weights: int) -> int:
        """Calls of functions while a model with so many more weights is read."""
        changed(file, lambda model: model.graph.initializer.extend([one] * weights))
        count = 0

        def profile(*_: object) -> None:
            nonlocal count
            count += 1

        before = sys.getprofile()
        sys.setprofile(profile)
        try:
            read_model(file)
        finally:
            sys.setprofile(before)
        return count

    calls(1)  # imports
    few, many = calls(99), calls(200)  # 100 and 300 in all
    assert many < 4 * few


def test_weights_of_a_constant_in_a_subgraph_are_checked_too(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    file = export(Classifier(), tmp_path / "m.onnx")
    constant = helper.make_tensor("c", TensorProto.FLOAT, [1], [1.0])
    constant.ClearField("float_data")
    constant.data_location = onnx.TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="../secret")
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["y"], value=constant)],
        "branch",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )

    def add(model: Any) -> None:
        condition = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
        model.graph.initializer.append(condition)
        node = helper.make_node("If", ["yes"], ["unused"], then_branch=inner, else_branch=inner)
        model.graph.node.append(node)

    with pytest.raises(InputError, match="names weights outside its folder"):
        load_reader(changed(file, add), CPU)


@pytest.mark.parametrize("domain", ["com.microsoft", "evil"])
def test_foreign_operators_are_refused(tmp_path: Path, domain: str) -> None:
    def change(model: Any) -> None:
        model.graph.node[0].domain = domain
        model.opset_import.add(domain=domain, version=1)

    file = changed(export(Classifier(), tmp_path / "m.onnx"), change)
    with pytest.raises(InputError, match=rf"not of the ONNX standard: {domain}\.Conv"):
        load_reader(file, CPU)


def with_function(file: Path, domain: str, name: str, operator: str) -> Path:
    """The model with its scores passed through an operator, and a function, both of a domain."""
    from onnx import helper

    def change(model: Any) -> None:
        body = [helper.make_node("Identity", ["x"], ["y"])]
        opsets = [helper.make_opsetid("", 17)]
        model.functions.append(helper.make_function(domain, name, ["x"], ["y"], body, opsets))
        model.ir_version = max(model.ir_version, 8)  # the first with functions
        model.opset_import.add(domain=domain, version=1)
        scores = model.graph.output[0].name
        model.graph.node[-1].output[0] = "before"
        model.graph.node.append(helper.make_node(operator, ["before"], [scores], domain=domain))

    return changed(file, change)


@pytest.mark.parametrize(
    ("domain", "name", "operator"),
    [
        ("com.microsoft", "Unused", "Gelu"),
        ("com.microsoft", "Gelu", "Gelu"),  # onnxruntime runs its own
        ("com.microsoft.nchwc", "Conv", "Conv"),
        ("ai.onnx.preview", "Scores", "Scores"),
        ("mine", "Unused", "Scores"),
    ],
)
def test_a_function_of_the_file_permits_only_itself(
    tmp_path: Path, domain: str, name: str, operator: str
) -> None:
    file = export(Classifier(), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=rf"not of the ONNX standard: .*{domain}\.{operator}"):
        load_reader(with_function(file, domain, name, operator), CPU)


def test_functions_of_the_file_run(tmp_path: Path) -> None:
    given = np.random.default_rng(0).integers(0, 256, (4, 16, 16), dtype=np.uint8)
    file = export(Classifier(), tmp_path / "m.onnx")
    plain = load_reader(file, CPU).read(given)
    found = load_reader(with_function(file, "mine", "Scores", "Scores"), CPU).read(given)
    np.testing.assert_allclose(found, plain, atol=1e-6)


def test_no_function_is_accepted_in_a_domain_of_onnxruntime() -> None:
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    if not hasattr(state, "get_all_operator_schema"):
        pytest.skip("this onnxruntime does not list its operators")
    domains = {schema.domain for schema in state.get_all_operator_schema()}
    assert "com.microsoft" in domains
    assert {one for one in domains if one and not model_file._is_reserved(one)} == set()


@pytest.mark.parametrize("data", [b"", b"\x80\x04pickle", b"\x08", bytes(100)])
def test_damaged_files_are_refused(tmp_path: Path, data: bytes) -> None:
    file = export(Classifier(), tmp_path / "m.onnx")
    file.write_bytes(data)
    with pytest.raises(InputError, match=r"/m\.onnx: "):
        load_reader(file, CPU)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    file = export(Classifier(), tmp_path / "m.onnx")
    data = file.read_bytes()
    for end in range(1, len(data), len(data) // 40):
        file.write_bytes(data[:end])
        with pytest.raises(InputError):
            load_reader(file, CPU)


def test_a_model_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = external(export(Classifier(), tmp_path / "m.onnx"))
    monkeypatch.setattr(model_file, "MAX_BYTES", file.stat().st_size + 10)
    with pytest.raises(InputError, match="with all weights, found"):
        load_reader(file, CPU)
    monkeypatch.setattr(model_file, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="expected at most 10 bytes"):
        load_reader(file, CPU)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("charset", '["一", "丨", "十"]'),
        ("names", "{0: '一', 1: '丨', 2: '十'}"),
        ("classes", '{"0": "一", "1": "丨", "2": "十"}'),
    ],
)
def test_classes_in_the_metadata_are_used(tmp_path: Path, key: str, text: str) -> None:
    file = export(Classifier(), tmp_path / "m.onnx", labels=None)
    changed(file, lambda model: model.metadata_props.add(key=key, value=text))
    assert load_reader(file, CPU).classes == list(LABELS)
    (tmp_path / "m.classes.txt").write_text("a\nb b\nc", encoding="utf-8")
    assert load_reader(file, CPU).classes == ["a", "b b", "c"]


@pytest.mark.parametrize("text", ["{0: '一', 2: '十'}", "[1, 2]", "7", "", "{'一': 0}", '"一丨十"'])
def test_other_metadata_are_no_classes(tmp_path: Path, text: str) -> None:
    file = export(Classifier(), tmp_path / "m.onnx", labels=None)
    changed(file, lambda model: model.metadata_props.add(key="names", value=text))
    with pytest.raises(
        InputError, match=r"classes of the model are not known\. Write the labels into .*m\.classes"
    ):
        load_reader(file, CPU)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("一丨".encode(), r"has 2 classes, but the model 3 scores.*one per line.*blank"),
        ("一\n丨\n十\n口\n".encode(), "has 4 classes, but the model 3 scores"),
        ("一丨一".encode(), "'一' occurs twice"),
        ("一\n\n十".encode(), "an empty label"),
        (b"", "not known|0 classes"),
        ("啊\n波\n国".encode("gb18030"), "invalid UTF-8 at byte 0"),
    ],
)
def test_wrong_lists_of_classes_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    file = export(Classifier(), tmp_path / "m.onnx")
    (tmp_path / "m.classes.txt").write_bytes(data)
    with pytest.raises(InputError, match=message):
        load_reader(file, CPU)


@pytest.mark.parametrize("text", ["一丨十", "一丨十\n", "\ufeff一\r\n丨\r\n十\r\n", "一\n丨\n十"])
def test_lists_of_classes_have_lines_or_are_one(tmp_path: Path, text: str) -> None:
    file = export(Classifier(), tmp_path / "m.onnx")
    (tmp_path / "m.classes.txt").write_bytes(text.encode())
    assert load_reader(file, CPU).classes == list(LABELS)
