"""Speed of what the entries are made of, and the minutes that each entry needs at this speed."""

from __future__ import annotations

import time
from typing import Any

import torch

from benchmarks.gpu.entries import SAMPLES, VARIANTS
from benchmarks.gpu.prepare import SIZE, Inputs
from benchmarks.gpu.refined import refine
from benchmarks.gpu.resnet import RecogniserSettings, random_batches, train_recogniser
from hwgen.compute.devices import pick_precision
from hwgen.generators.adversarial.cuda_graphs import WARM_UP, GraphedStep
from hwgen.generators.adversarial.steps import make_state, schedule, train_step
from hwgen.generators.refiner.generator import build
from hwgen.generators.refiner.network import RefinerNet
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.generators.refiner.sampling import RefinerSampler
from hwgen.sources.strokes.rounding import rounded


def measure(
    inputs: Inputs,
    recipe: RefinerRecipe,
    recogniser: RecogniserSettings,
    *,
    per_class: int,
    device: torch.device,
    steps: int = 300,
) -> dict[str, Any]:
    """Milliseconds per step, images per second, and minutes per entry.

    Args:
        inputs: strokes and number of classes.
        recipe: of the refiner.
        recogniser: settings and number of steps of the entries.
        per_class: made images per class in the entries.
        device: where.
        steps: number of steps to take.
    """
    refiner_ms = _refiner_ms(inputs, recipe, device, steps)
    images = torch.randint(0, 256, (4096, SIZE, SIZE), dtype=torch.uint8, device=device)
    labels = torch.randint(0, inputs.classes, (4096,), device=device)
    short = RecogniserSettings(steps=steps, batch=recogniser.batch, widths=recogniser.widths)
    _, facts = train_recogniser(
        random_batches(images, labels), inputs.classes, short, device, seed=0
    )
    recogniser_ms = facts["seconds"] / steps * 1e3
    simulated, refined = _images_per_second(inputs, recipe, device)
    made = inputs.classes * per_class
    training = recipe.steps * refiner_ms / 1e3
    arm = recogniser.steps * recogniser_ms / 1e3 + 5
    samples = made / refined
    seconds = {
        "simulated images, once": made / simulated,
        "unseen, each number of seen classes": training + samples + 3 * arm,
        "few-shot, after unseen": samples + (3 * len(SAMPLES) - 1) * arm,
        "ablation, each variant": training + samples + arm,
        "ablation, all": len(VARIANTS) * (training + samples + arm),
        "reference": arm,
    }
    return {
        "refiner_ms_per_step": round(refiner_ms, 3),
        "recogniser_ms_per_step": round(recogniser_ms, 3),
        "simulated_images_per_second": round(simulated),
        "refined_images_per_second": round(refined),
        "refiner_images": recipe.steps * recipe.batch,
        "recogniser_steps": recogniser.steps,
        "made_images": made,
        "minutes": {name: round(value / 60, 1) for name, value in seconds.items()},
    }


def _refiner_ms(inputs: Inputs, recipe: RefinerRecipe, device: torch.device, steps: int) -> float:
    """Milliseconds per training step, as CUDA graphs on a GPU."""
    shape = (inputs.classes, recipe.hands, SIZE, SIZE)
    simulated = torch.randint(0, 256, shape, dtype=torch.uint8)
    state = make_state(
        lambda recipe, classes: build(recipe, classes, simulated), recipe, inputs.classes, 0, device
    )
    dtype, generator = pick_precision("auto", device), torch.Generator(device)
    x = torch.rand((recipe.batch, 1, SIZE, SIZE), device=device) * 2 - 1
    y = torch.randint(0, inputs.classes, (recipe.batch,), device=device)
    graphed = GraphedStep(state, recipe, generator, dtype) if device.type == "cuda" else None

    def take(step: int) -> float:
        at = schedule(recipe, step)
        if graphed is not None:
            generator.manual_seed(step)
            return graphed(x, y, at)["loss_d"].item()
        return train_step(state, recipe, x, y, at, generator=generator, precision=dtype)[
            "loss_d"
        ].item()

    warm_up = (WARM_UP + 2) * recipe.r1_every if graphed else 1
    for step in range(warm_up):
        take(step)
    began = time.perf_counter()
    for step in range(warm_up, warm_up + steps):
        take(step)
    return (time.perf_counter() - began) / steps * 1e3


def _images_per_second(
    inputs: Inputs, recipe: RefinerRecipe, device: torch.device, per_class: int = 2
) -> tuple[float, float]:
    """Images simulated by all processes, and images refined."""
    began = time.perf_counter()
    images = inputs.render(per_class)
    simulated = time.perf_counter() - began
    strokes = rounded(inputs.strokes.load(inputs.charset))
    net = RefinerNet(recipe.generator, recipe.size).requires_grad_(False)
    sampler = RefinerSampler(net, recipe, inputs.charset, strokes, device)
    refine(sampler, images[:, :1])
    began = time.perf_counter()
    refine(sampler, images)
    refined = time.perf_counter() - began
    count = inputs.classes * per_class
    return count / simulated, count / refined
