from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from graphc.runtime import cache as cache_module
from graphc.runtime import native, toolchain
from graphc.runtime.builds import file_stem
from graphc.runtime.errors import CompileError, CompilerNotFound, CompilerTimeout, LoadError
from graphc.runtime.native import build_library, load_library
from graphc.runtime.program import NativeProgram
from graphc.runtime.toolchain import find_toolchain
from tests.runtime.conftest import ADD_ONE, run_python, start_python
from tests.runtime.test_toolchain import REAL

USE_PROGRAM = f"""
import numpy as np
from graphc.runtime import NativeProgram, build_library
build = build_library({ADD_ONE!r}, name="add_one")
x = np.arange(5, dtype=np.float32)
y = np.empty_like(x)
code = NativeProgram(build, 64, 2, 1).call([x, y], (5,))
print(code, y.tolist(), build.cached)
"""


def _run(build) -> list[float]:
    x, y = np.arange(4, dtype=np.float32), np.zeros(4, np.float32)
    assert NativeProgram(build, 64, 2, 1).call([x, y], (4,)) == 0
    return y.tolist()


def test_text_becomes_a_function() -> None:
    """C text is compiled, loaded, and called; its text lies beside the library; warnings would be seen."""
    build = build_library(ADD_ONE, name="add_one")
    assert not build.cached
    assert build.messages == ""
    assert build.source_path.read_text() == ADD_ONE
    assert build.source_path.parent == build.path.parent
    assert _run(build) == [1, 2, 3, 4]


def test_same_text_is_built_once_and_any_change_builds_again() -> None:
    """The key holds text, name, and flags."""
    first = build_library(ADD_ONE)
    second = build_library(ADD_ONE)
    assert second.cached
    assert second.path == first.path
    for other in (
        build_library(ADD_ONE + "\n"),
        build_library(ADD_ONE, optimization="-O0"),
        build_library(ADD_ONE, extra_flags=("-DX",)),
        build_library(ADD_ONE, toolchain=dataclasses.replace(find_toolchain(), version="other")),
    ):
        assert not other.cached
        assert other.path != first.path


def test_command_rebuilds_the_library(tmp_path: Path) -> None:
    """The command that a build reports, run by hand beside a copy of the text, makes a program that works."""
    build = build_library(ADD_ONE, name="shown")
    shutil.copy(build.source_path, tmp_path)
    subprocess.run(build.command, cwd=tmp_path, check=True)
    x, y = np.zeros(1, np.float32), np.zeros(1, np.float32)
    assert NativeProgram(load_library(tmp_path / "shown.so"), 64, 2, 1).call([x, y], (1,)) == 0
    assert y[0] == 1


def test_warnings_of_the_compiler_are_kept_with_the_library() -> None:
    """A warning does not stop a build and is told again when the library comes from the cache."""
    text = ADD_ONE.replace("(void)threads;", "int unused_here;")
    for cached in (False, True):
        build = build_library(text)
        assert build.cached is cached
        assert "unused_here" in build.messages


def test_second_process_starts_no_compiler(script, tmp_path: Path) -> None:
    """What one process built and learned serves the next: its compiler, a wrapper that logs, is not called at all."""
    log = tmp_path / "log"
    compiler = script("compiler", f'echo "$*" >> {log}\nexec {REAL} "$@"')
    log.touch()
    assert run_python(USE_PROGRAM, CC=str(compiler)) == "0 [1.0, 2.0, 3.0, 4.0, 5.0] False"
    calls = log.read_text()
    assert "add_one.c" in calls
    assert run_python(USE_PROGRAM, CC=str(compiler)) == "0 [1.0, 2.0, 3.0, 4.0, 5.0] True"
    assert log.read_text() == calls


def test_truncated_library_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library cut short on disk is not loaded but replaced."""
    build = build_library(ADD_ONE)
    os.truncate(build.path, 100)
    monkeypatch.setattr(cache_module, "_default_caches", {})
    again = build_library(ADD_ONE)
    assert not again.cached
    assert _run(again) == [1, 2, 3, 4]


def test_program_works_without_a_usable_cache(tmp_path: Path) -> None:
    """With a file where the cache folder should be, the program is built and run, with one warning."""
    (tmp_path / "file").touch()
    process = start_python(USE_PROGRAM, GRAPHC_CACHE_DIR=str(tmp_path / "file"))
    output, errors = process.communicate(timeout=60)
    assert output.strip() == "0 [1.0, 2.0, 3.0, 4.0, 5.0] False"
    assert errors.count("RuntimeWarning") == 1, errors


def test_compiler_that_fails_is_quoted_and_the_text_kept() -> None:
    """The error has the command, the exit status, the compiler's own words, and the place of the text."""
    with pytest.raises(CompileError) as caught:
        build_library("int broken(void) { return undeclared_name; }", name="broken")
    error = caught.value
    assert error.status == 1
    assert "broken.c" in error.command
    assert "undeclared_name" in error.output
    for words in ("exit status 1", "command: ", "undeclared_name", str(error.source_path)):
        assert words in str(error)
    assert "undeclared_name" in error.source_path.read_text()


def test_compiler_that_hangs_is_stopped_with_its_children(script, tmp_path: Path, monkeypatch) -> None:
    """After the time limit the compiler and what it started are gone."""
    child = tmp_path / "child"
    compiler = script("compiler", f"sleep 60 &\necho $! > {child}\nwait")
    toolchain = dataclasses.replace(find_toolchain(), command=(str(compiler),))
    monkeypatch.setenv("GRAPHC_COMPILE_TIMEOUT", "0.5")
    with pytest.raises(CompilerTimeout, match=r"did not finish within 0\.5 s \(GRAPHC_COMPILE_TIMEOUT\)"):
        build_library(ADD_ONE, toolchain=toolchain)
    state = Path(f"/proc/{child.read_text().strip()}/stat")
    for _ in range(100):
        # Gone, or dead and not yet collected by the first process of this machine.
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.02)
    pytest.fail("the compiler's child still runs")


def test_compiler_that_vanished_is_an_error_of_ours() -> None:
    """A command that can't be started says so."""
    toolchain = dataclasses.replace(find_toolchain(), command=("/nowhere/cc",))
    with pytest.raises(CompileError, match="could not be started"):
        build_library(ADD_ONE, toolchain=toolchain)


def test_no_compiler(no_compiler: None) -> None:
    """Without a compiler building says how to get one."""
    with pytest.raises(CompilerNotFound, match="install"):
        build_library(ADD_ONE)


@pytest.mark.parametrize(
    "name", ['a "quoted"\nname', "../../etc/passwd", "-o evil", "$(touch here)", "", "ünïcode", "x" * 500, "9lives"]
)
def test_any_name_and_text_stays_inside_its_file(name: str) -> None:
    """Quotes, newlines, paths and options in names and texts end as plain files of the entry and a working library."""
    comment = name.replace("*/", "")
    build = build_library(f'/* {comment} " \\ \n \udc80 */\n' + ADD_ONE, name=name)
    assert {path.name for path in build.path.parent.iterdir()} == {
        f"{file_stem(name)}.so",
        f"{file_stem(name)}.c",
        "manifest.json",
    }
    assert file_stem(name).isidentifier()
    assert _run(build) == [1, 2, 3, 4]


def test_loading_what_is_no_program(tmp_path: Path) -> None:
    """A file that is no library, and a library without the entry, are refused with their path."""
    text = tmp_path / "text.so"
    text.write_text("not a library")
    with pytest.raises(LoadError, match=r"text\.so"):
        load_library(text)
    with pytest.raises(LoadError, match="does not export graphc_run"):
        load_library(build_library("int nothing;").path)


# Compiled wrongly by gcc 12.2 at -O3 -march=native without SOUND_FLAGS: the second of each pair came from elsewhere.
STRIDED_UNDER_A_CONDITION = """
#include <stdint.h>
static void pairs(const float *restrict in, float *restrict out, int64_t first, int64_t last)
{
    #pragma omp simd
    for (int64_t i = first; i < last; ++i) {
        out[i * 2] = i < 50 ? in[i * 4] : 0.0f;
        out[i * 2 + 1] = i < 50 ? in[i * 4 + 3] : 0.0f;
    }
}
int64_t graphc_run(void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error);
int64_t graphc_run(void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error)
{
    (void)extents; (void)arena; (void)threads; (void)error;
    pairs(buffers[0], buffers[1], 0, 64);
    return 0;
}
"""


def test_strided_loads_under_a_condition_are_compiled_right():
    """The flags keep away a fault of the compiler's vectoriser that gave wrong numbers."""
    source, result = np.arange(256, dtype=np.float32), np.zeros(128, np.float32)
    assert NativeProgram(build_library(STRIDED_UNDER_A_CONDITION), 0, 2).call([source, result]) == 0
    expected = np.stack([source[::4], source[3::4]], 1)
    expected[50:] = 0
    np.testing.assert_array_equal(result, expected.reshape(-1))


def test_a_fault_of_the_compiler_is_gone_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the compiler itself breaks down, as gcc 12's vectorizer does, the program is built without that part."""
    commands: list[tuple[str, ...]] = []

    def breaks_once(command: tuple[str, ...], folder: Path) -> str:
        commands.append(command)
        if len(commands) == 1:
            raise CompileError(
                "failed", command=command, status=1, output="program.c:5:1: internal compiler error: in x"
            )
        return toolchain.run_compiler(command, folder)

    monkeypatch.setattr(native, "run_compiler", breaks_once)
    build = build_library(f"/* gone around */{ADD_ONE}", name="add_one")
    assert _run(build) == [1.0, 2.0, 3.0, 4.0]
    assert commands[1] == (*commands[0], "-fno-tree-loop-vectorize")
