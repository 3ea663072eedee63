"""The checkpoint of a recogniser's training: a file beside that of the recogniser.

It is written as a run's checkpoint is, and removed when the recogniser is finished.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwgen.compute.tensor_files import (
    load_module,
    load_optimizer,
    load_texts,
    module_tensors,
    optimizer_tensors,
)
from hwgen.errors import RunError
from hwgen.io.json_files import parse_json
from hwgen.io.neighbours import checkpoint_path
from hwgen.recogniser.network import RecogniserNetwork
from hwgen.runs import checkpoints
from hwgen.runs.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from hwgen.schema import check_same


@dataclass(frozen=True)
class TrainingState:
    """Everything that a training step changes.

    Attributes:
        network: on the training device.
        optimizer: of its parameters.
        augmentation: random numbers of the distortions. Those of dropout are torch's global ones.
        loss: sum since the last report of progress, float32 [].
    """

    network: RecogniserNetwork
    optimizer: torch.optim.Optimizer
    augmentation: torch.Generator
    loss: Tensor

    def is_finite(self) -> bool:
        """Whether the loss and all weights and buffers are finite."""
        numbers = (self.loss, *self.network.state_dict().values())
        return all(bool(one.isfinite().all()) for one in numbers)

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        return {
            **module_tensors("network", self.network),
            **optimizer_tensors("optimizer", self.optimizer),
            "loss": self.loss,
            **self._random(),
        }

    def load(self, begun: Checkpoint, where: Path, seed: int) -> None:
        """Restore what `tensors` gave.

        Random states of another kind of device are replaced by ones that follow from seed and step.

        Args:
            begun: the checkpoint.
            where: its file.
            seed: of the training.

        Raises:
            RunError: it does not fit the network.
        """
        tensors = begun.tensors
        load_module("network", self.network, tensors, where)
        load_optimizer("optimizer", self.optimizer, tensors, where, steps=begun.step)
        own = self._random()
        try:
            self.loss.copy_(tensors["loss"])
            found = {name: tensors[name] for name in own}
            if all(found[name].shape == state.shape for name, state in own.items()):
                self._set_random(found)
            else:
                number = np.random.SeedSequence((seed, begun.step)).generate_state(1)[0]
                torch.manual_seed(int(number))
                self.augmentation.manual_seed(int(number))
        except (KeyError, RuntimeError, TypeError) as error:
            raise RunError(
                f"is not a checkpoint of a recogniser's training ({error})",
                where=str(where),
                remedy=_START_AGAIN,
            ) from None

    def _random(self) -> dict[str, Tensor]:
        device = self.loss.device
        on_gpu = device.type == "cuda"
        return {
            "random.dropout": torch.cuda.get_rng_state(device) if on_gpu else torch.get_rng_state(),
            "random.augmentation": self.augmentation.get_state(),
        }

    def _set_random(self, states: Mapping[str, Tensor]) -> None:
        device = self.loss.device
        if device.type == "cuda":
            torch.cuda.set_rng_state(states["random.dropout"], device)
        else:
            torch.set_rng_state(states["random.dropout"])
        self.augmentation.set_state(states["random.augmentation"])


_START_AGAIN = "Remove it to start from scratch"


class TrainingCheckpoint:
    """The checkpoint of one training; resumed, it gives the result of an uninterrupted one.

    On a CPU with the same number of threads that holds bit for bit.

    Args:
        result: file that is written when the training is finished; see `checkpoint_path`. Its lock
            is held while training.
        settings: on which the result depends, such as recipe, data and seed, plain JSON.
    """

    def __init__(self, result: Path, settings: Mapping[str, Any]) -> None:
        self.path = checkpoint_path(result)
        text = json.dumps(settings, sort_keys=True)
        self._settings: dict[str, Any] = json.loads(text)
        self._id = hashlib.sha256(text.encode()).hexdigest()[:12]
        self._began = self._saved = time.monotonic()
        self.seconds_before = 0.0
        """Time spent on the training before it was resumed."""

    def check(self) -> None:
        """Refuse a checkpoint of other settings, or a damaged one.

        Raises:
            RecipeChangedError: it has other settings, which are listed.
            RunError: reading fails, such as of a damaged file.
        """
        try:
            settings = parse_json(load_texts(self.path)["settings"])
            if not isinstance(settings, dict):
                raise ValueError("settings are no object")
        except (RunError, KeyError, ValueError) as error:
            # Another process may have finished, and removed it.
            if not self.path.exists():
                return
            what = error.what if isinstance(error, RunError) else f"{error}"
            raise RunError(
                f"is not a checkpoint of a recogniser's training ({what})",
                where=str(self.path),
                remedy=_START_AGAIN,
            ) from None
        check_same(
            settings,
            self._settings,
            "this training of a recogniser was begun",
            where=str(self.path),
            remedy="Give another --out, or the settings that it was begun with, or remove the file "
            "to start from scratch",
        )

    def restore(self, state: TrainingState, seed: int) -> int:
        """Load the state; left as it is if there is no checkpoint.

        Returns:
            Steps done.

        Raises:
            RunError: see `check`, or it does not fit the network.
        """
        self.check()
        begun = read_checkpoint(self.path, self._id)
        if begun.step:
            state.load(begun, self.path, seed)
        self.seconds_before = begun.seconds
        self._began = self._saved = time.monotonic()
        return begun.step

    @property
    def is_due(self) -> bool:
        """Whether the last one is CHECKPOINT_SECONDS old."""
        return time.monotonic() - self._saved >= checkpoints.CHECKPOINT_SECONDS

    def save(self, state: TrainingState, step: int) -> None:
        """Replace it, atomically; the state must be finite.

        Args:
            state: after `step` steps, of which there is at least one.
            step: steps done.

        Raises:
            RunError: writing fails, such as on a full disk.
        """
        seconds = self.seconds_before + time.monotonic() - self._began
        texts = {"settings": json.dumps(self._settings)}
        write_checkpoint(
            self.path, self._id, Checkpoint(step, round(seconds, 3), state.tensors()), texts
        )
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Remove it, if there is one: the training is finished."""
        self.path.unlink(missing_ok=True)
