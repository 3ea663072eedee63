"""Words of other programs that people type, and the commands and options of hwgen for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

COMMANDS: Mapping[str, Sequence[str]] = {
    "augment": ["synthesize"],
    "compare": ["benchmark", "lift"],
    "convert": ["prepare-images", "prepare-gnt", "export"],
    "create": ["synthesize"],
    "draw": ["synthesize"],
    "eval": ["evaluate", "benchmark"],
    "example": ["demo"],
    "fit": ["train"],
    "finetune": ["train"],
    "gen": ["synthesize"],
    "generate": ["synthesize"],
    "import": ["prepare-images", "prepare-gnt", "prepare-pot"],
    "info": ["inspect", "doctor"],
    "infer": ["synthesize"],
    "list": ["presets"],
    "load": ["prepare-images", "prepare-gnt"],
    "make": ["synthesize"],
    "models": ["presets"],
    "onnx": ["export-model"],
    "plot": ["report"],
    "predict": ["synthesize", "evaluate"],
    "prepare": ["prepare-images", "prepare-gnt", "prepare-pot"],
    "publish": ["upload"],
    "push": ["upload"],
    "quickstart": ["demo"],
    "render": ["simulate", "prepare-strokes"],
    "sample": ["synthesize"],
    "score": ["evaluate"],
    "show": ["inspect", "report"],
    "stats": ["inspect"],
    "summary": ["inspect"],
    "test": ["benchmark", "evaluate"],
    "tensorboard": ["export-curves"],
    "val": ["evaluate", "benchmark"],
    "validate": ["evaluate", "benchmark"],
    "visualize": ["report", "inspect"],
    "write": ["synthesize", "lines"],
}

_BATCH = ["--batch"]
_CLASSES = ["--classes"]
_OUT = ["--out"]
_TEXT = ["--text", *_CLASSES]
_LENGTH = ["--epochs", "--steps", "--images", "--generator-images"]
_START = ["--init-from", "--snapshot"]
_PER_CLASS = ["--per-class", "--count", "--synthetic-per-class"]
_SIZE = ["--size"]

OPTIONS: Mapping[str, Sequence[str]] = {
    "-b": _BATCH,
    "--batch-size": _BATCH,
    "--bs": _BATCH,
    "--amp": ["--precision"],
    "--bf16": ["--precision"],
    "--fp16": ["--precision"],
    "--half": ["--precision"],
    "--char": _CLASSES,
    "--characters": _CLASSES,
    "--chars": _CLASSES,
    "--charset": _CLASSES,
    "--label": _CLASSES,
    "--labels": _CLASSES,
    "--string": _TEXT,
    "--text": _TEXT,
    "--words": _TEXT,
    "--checkpoint": _START,
    "--ckpt": _START,
    "--finetune": _START,
    "--model": ["--init-from", "--generator", "--recogniser", "--snapshot"],
    "--pretrained": _START,
    "--weights": _START,
    "--resume-from": _START,
    "--cpu": ["--device"],
    "--cuda": ["--device"],
    "--gpu": ["--device"],
    "--gpus": ["--device"],
    "-e": _LENGTH,
    "--epoch": _LENGTH,
    "--epochs": _LENGTH,
    "--images": _LENGTH,
    "--iterations": ["--steps", "--images"],
    "--iters": ["--steps", "--images"],
    "--max-steps": ["--steps", "--images"],
    "--force": ["--overwrite"],
    "-f": ["--format", "--overwrite"],
    "-y": ["--overwrite"],
    "--height": _SIZE,
    "--image-size": _SIZE,
    "--img-size": _SIZE,
    "--imgsz": _SIZE,
    "--resolution": _SIZE,
    "--width": _SIZE,
    "-j": ["--workers"],
    "--jobs": ["--workers"],
    "--threads": ["--workers"],
    "--learning-rate": ["--lr"],
    "-n": _PER_CLASS,
    "--amount": _PER_CLASS,
    "--num": _PER_CLASS,
    "--num-samples": _PER_CLASS,
    "--samples": _PER_CLASS,
    "--output": _OUT,
    "--output-dir": _OUT,
    "--outdir": _OUT,
    "--project": _OUT,
    "--save": _OUT,
    "--save-dir": _OUT,
    "--style": ["--hand", "--domain"],
    "--writer": ["--hand", "--writers"],
}

REMARKS: Mapping[str, str] = {
    "--resume": "Rerun the command without it to resume",
    "--continue": "Rerun the command without it to resume",
    "--font": "Nothing is made from fonts: characters are simulated from strokes, or learnt",
}
"""Answers where no option is meant."""
