from __future__ import annotations

import pytest

from graphc.runtime.cubin import build_cubin, find_nvcc, guilty_kernels
from graphc.runtime.errors import CompileError, CompilerNotFound
from tests.runtime import cuda_kernels as kernels


def have_nvcc() -> bool:
    try:
        find_nvcc()
    except CompilerNotFound:
        return False
    return True


needs_nvcc = pytest.mark.skipif(not have_nvcc(), reason="needs nvcc")


@needs_nvcc
def test_hand_written_kernels_compile() -> None:
    """Every text that the emulated GPU runs is one that nvcc takes, without a warning; the second time it is found."""
    for name, text in kernels.TEXTS.items():
        build = build_cubin(text, name=name)
        assert build.messages == "", name
        assert build.path.read_bytes()[:4] == b"\x7fELF"
        assert build.source_path.read_text() == text
        assert build_cubin(text, name=name).cached
    assert (
        build_cubin(kernels.SCAN, name="scan", architecture="sm_80").path != build_cubin(kernels.SCAN, name="scan").path
    )


@needs_nvcc
def test_an_error_names_kernel_and_python_line() -> None:
    """What nvcc refuses is told with the kernel that the line lies in, and the comment above it."""
    with pytest.raises(CompileError, match=r"nvcc failed with exit status") as caught:
        build_cubin(kernels.ROW_SUM.replace("float total = 0.0f", "float total = nothing"), name="wrong")
    assert caught.value.__notes__ == ["in kernel row_sum: model.py:3"]
    assert caught.value.source_path is not None
    assert "float total = nothing" in caught.value.source_path.read_text()


def test_lines_are_looked_up_among_the_kernels() -> None:
    """Each kernel that is complained of once, with its comment of any number of lines or none."""
    kernels_text = (f'extern "C" __global__ void {name}(int *x)\n{{\n}}\n' for name in "fg")
    text = "/* exp\n   model.py:3 */\n" + "".join(kernels_text)
    output = "a.cu(5): error: one\na.cu(4): error: two\na.cu(7): error: three\na.cu(1): error: four\n"
    assert guilty_kernels(text, output) == ["in kernel f: exp model.py:3", "in kernel g"]


def test_without_nvcc_the_error_says_how_to_get_it(monkeypatch) -> None:
    """What was tried, and where it is to be had."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CUDA_HOME", "/nowhere")
    monkeypatch.setenv("CUDA_PATH", "")
    monkeypatch.setenv("NVCC", "my-nvcc -v")
    monkeypatch.setattr("graphc.runtime.cubin.shutil.which", lambda name: None)
    with pytest.raises(CompilerNotFound, match=r"tried: my-nvcc -v, nvcc, /nowhere/bin/nvcc.*install the CUDA toolkit"):
        find_nvcc()
