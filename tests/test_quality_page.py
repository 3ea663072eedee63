"""docs/quality.md: the example of a classifier as ONNX runs."""

import functools
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hwgen.recogniser.loading import EXPORT, load_recogniser
from tests.onnx_models import LABELS, Classifier, needs_onnx
from tests.test_readme import PAGES, blocks


@pytest.mark.filterwarnings("ignore")
def test_the_example_exports_a_classifier_that_hwgen_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    needs_onnx()
    if importlib.util.find_spec("onnxscript") is None:  # the exporter that needs no other package
        export = functools.partial(torch.onnx.export, dynamo=False)
        monkeypatch.setattr(torch.onnx, "export", export)
    (code,) = blocks(PAGES["docs/quality.md"], "python")
    assert EXPORT in code
    monkeypatch.chdir(tmp_path)
    exec(code, {"model": Classifier(), "dataset": SimpleNamespace(classes=list(LABELS))})
    recogniser = load_recogniser("model.onnx", device="cpu")
    assert recogniser.classes == list(LABELS)
    assert recogniser.predict_proba(np.zeros((2, 64, 64), np.uint8)).shape == (2, 3)
