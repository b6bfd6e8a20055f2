from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graphc.runtime import toolchain as toolchain_module
from graphc.runtime.errors import CompilerNotFound
from graphc.runtime.toolchain import (
    compile_flags,
    compile_timeout,
    cpu_features,
    find_toolchain,
    install_command,
)

REAL = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def test_finds_a_compiler_that_works() -> None:
    """The compiler of this machine is described by what it says itself."""
    toolchain = find_toolchain()
    assert Path(toolchain.command[0]).is_absolute()
    assert toolchain.family in ("gcc", "clang", "zig")
    assert toolchain.version[:1].isdigit() or "lang" in toolchain.version
    assert find_toolchain() is toolchain


def test_cc_is_split_like_a_shell_does_without_being_given_to_one(script, monkeypatch: pytest.MonkeyPatch) -> None:
    """CC may hold arguments and quotes; what would be a command to a shell is an argument here."""
    compiler = script("my compiler", f'test "$1" = "-DX=\\$(touch here)" || exit 3\nexec {REAL} "$@"')
    monkeypatch.setenv("CC", f"'{compiler}' '-DX=$(touch here)'")
    assert find_toolchain().command == (str(compiler), "-DX=$(touch here)")


@pytest.mark.parametrize("value", ["no-such-compiler", "'open quotation", "/bin/false", "true"])
def test_cc_that_does_not_work_is_passed_over(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A CC that is missing, malformed, fails, or succeeds without making a library does not stop the search."""
    monkeypatch.setenv("CC", value)
    if shutil.which(value):
        with pytest.warns(RuntimeWarning, match=f"CC={value} can't be used"):
            toolchain = find_toolchain()
    else:
        toolchain = find_toolchain()
    assert toolchain.command[0] != value


def test_no_compiler_names_the_command_that_installs_one(no_compiler: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any compiler the error names the platform's command, and what was looked for."""
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "ubuntu", "ID_LIKE": "debian"})
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(CompilerNotFound) as caught:
        find_toolchain()
    for words in ("sudo apt-get install gcc", "pip install ziglang", "gcc: not found", "clang: not found"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("system", "command"),
    [
        ({"ID": "debian"}, "apt-get"),
        ({"ID": "fedora"}, "dnf"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf"),
        ({"ID": "alpine"}, "apk"),
        ({"ID": "unheard-of"}, "pip install ziglang"),
    ],
)
def test_install_command_of_each_system(monkeypatch: pytest.MonkeyPatch, system: dict[str, str], command: str) -> None:
    """Each family of systems gets its own package manager."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: system)
    assert command in install_command()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert install_command() == "xcode-select --install"


def test_openmp_that_links_but_does_not_load_is_not_counted(script, tmp_path: Path, monkeypatch) -> None:
    """A compiler whose OpenMP library is absent at load time builds serial programs."""
    (tmp_path / "empty.c").write_text("int absent_symbol;")
    subprocess.run([REAL, "-shared", "-fPIC", "-o", tmp_path / "libabsent.so", tmp_path / "empty.c"], check=True)
    needs = f"-L{tmp_path} -Wl,--no-as-needed -labsent"
    body = f'case " $* " in *" -fopenmp "*) exec {REAL} "$@" {needs};; esac\nexec {REAL} "$@"'
    monkeypatch.setenv("CC", str(script("compiler", body)))
    toolchain = find_toolchain()
    assert not toolchain.openmp
    assert toolchain.parallel_flags == ("-fopenmp-simd",)
    assert "-fopenmp" not in compile_flags(toolchain)


def test_flags_that_the_compiler_refuses_are_left_out(script, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that knows no -march, no vector width and no OpenMP still builds, without a warning."""
    body = f'for a in "$@"; do case "$a" in -march*|-mcpu*|-mprefer*|-fopenmp*) exit 1;; esac; done\nexec {REAL} "$@"'
    monkeypatch.setenv("CC", str(script("compiler", body)))
    toolchain = find_toolchain()
    assert toolchain.target_flags == ()
    assert toolchain.parallel_flags == ("-Wno-unknown-pragmas",)


def test_flags_never_change_arithmetic() -> None:
    """No flag trades results for speed, and the libraries come last."""
    flags = compile_flags(find_toolchain(), "-O2")
    assert not {"-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-ffinite-math-only"} & set(flags)
    assert "-ffp-contract=off" in flags
    assert "-O2" in flags
    assert "-O3" not in flags
    assert flags[-1] == "-lm"


def test_what_is_known_about_a_compiler_is_kept_until_it_changes(script, tmp_path: Path, monkeypatch) -> None:
    """A later process asks the cache; a new compiler under the old name, and a request to refresh, ask the compiler."""
    log = tmp_path / "log"
    body = f'echo call >> {log}\nexec {REAL} "$@"'
    compiler = script("compiler", body)
    monkeypatch.setenv("CC", str(compiler))

    def calls_of_a_new_process(**arguments: bool) -> int:
        toolchain_module._found.clear()
        log.write_text("")
        find_toolchain(**arguments)
        return len(log.read_text().split())

    assert calls_of_a_new_process() > 0
    assert calls_of_a_new_process() == 0
    assert calls_of_a_new_process(refresh=True) > 0
    assert calls_of_a_new_process() == 0
    script("compiler", body + "\n# version 2")
    assert calls_of_a_new_process() > 0


@pytest.mark.parametrize("text", ["soon", "0", "-3", "inf", "nan"])
def test_time_limit_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A bad GRAPHC_COMPILE_TIMEOUT says what was given and what was expected."""
    monkeypatch.setenv("GRAPHC_COMPILE_TIMEOUT", text)
    with pytest.raises(ValueError, match=f"GRAPHC_COMPILE_TIMEOUT='{text}': expected a positive number"):
        compile_timeout()


def test_cpu_features_are_sorted_and_told_apart() -> None:
    """The features are a sorted tuple without repetition, and there is at least one."""
    features = cpu_features()
    assert features
    assert list(features) == sorted(set(features))
    assert os.sep not in "".join(features)


def test_compilers_end_where_processes_have_no_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older systems are asked now and then."""
    monkeypatch.delattr("os.pidfd_open", raising=False)
    assert "GNU" in toolchain_module.run_compiler(("/bin/sh", "-c", "echo GNU"), tmp_path)
