"""The samples' programs become kernels that nvcc takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import graphc
from graphc.runtime.cubin import build_cubin

ROOT = Path(graphc.__path__[0]).parent
AMOUNTS = {"linear_regression": None, "mlp": "--epochs", "lenet": "--epochs", "char_gpt": "--steps"}


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on the PATH")
@pytest.mark.parametrize("sample", AMOUNTS)
def test_nvcc_takes_a_sample(sample: str, tmp_path: Path) -> None:
    """Every kernel of a sample's functions, forward, backward, and update, becomes part of a cubin."""
    folder = ROOT / "samples"
    if not folder.is_dir():
        pytest.skip("the samples are not part of an installed package")
    text = (folder / f"{sample}.py").read_text()
    # Less data and a smaller net, so that the test is short; the program is the sample's.
    text = text.replace("DataLoader(train,", "DataLoader(TensorDataset(*train[:50]),")
    text = text.replace("import DataLoader", "import DataLoader, TensorDataset")
    text = text.replace("BATCH = 4, 4, 128, 64, 16", "BATCH = 1, 2, 16, 16, 64")
    for name in ("sample_tools.py", "data"):
        os.symlink(folder / name, tmp_path / name)
    (tmp_path / "script.py").write_text(text)
    command = ["-m", "graphc", "dump", "--backend", "cuda", "--out", "out", "script.py"]
    if amount := AMOUNTS[sample]:
        command += [amount, "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sources = list(tmp_path.glob("out/*/program.cu"))
    assert sources
    for source in sources:
        assert build_cubin(source.read_text(), name=sample).path.exists()
