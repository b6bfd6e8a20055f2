"""Writes down what torchvision gives for the cases: python -m tests.vision.record, where torchvision is installed."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from tests.vision import cases

FOLDER = Path(__file__).parent


def recorded(name: str) -> dict:
    """What was written down."""
    return json.loads((FOLDER / f"recorded_{name}.json").read_text(encoding="utf-8"))


def _write(name: str, content: dict) -> None:
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    (FOLDER / f"recorded_{name}.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def main() -> None:
    """Write all files."""
    import torch
    from torchvision import models, transforms
    from torchvision.transforms import v2

    warnings.simplefilter("ignore")
    results: dict = {}
    for name, make in cases.TRANSFORMS.items():
        if not name.startswith("bad_"):
            results[f"{name} repr"] = repr(make(transforms))
        for kind in cases.KINDS:
            results[f"{name} {kind}"] = cases.tried(name, kind, torch, transforms)
    _write("transforms", results)
    _write("samples", {name: cases.tried_sample(name, torch, v2) for name in cases.SAMPLED})
    _write("models", {name: cases.counted(getattr(models, name)()) for name in cases.MODELS})
    _write("runs", {case: cases.run_model(case, torch, models) for case in cases.RUNS})


if __name__ == "__main__":
    main()
