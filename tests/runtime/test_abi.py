from __future__ import annotations

import ast
import inspect
import os
from pathlib import Path

import cffi

from graphc.runtime import abi
from tests.runtime.conftest import run_python


def _arguments(source: str) -> dict[str, object]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    made = next(call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "FFI")
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in made.keywords}


def test_prepared_tables_are_what_cffi_makes_of_the_declarations(tmp_path: Path) -> None:
    """The type tables written down in the module and its C declarations say the same."""
    parser = cffi.FFI()
    parser.cdef(abi.DECLARATIONS)
    parser.set_source("graphc.runtime.abi", None)
    parser.emit_python_code(str(tmp_path / "emitted.py"))
    assert _arguments(inspect.getsource(abi)) == _arguments((tmp_path / "emitted.py").read_text())


def test_spinning_is_bounded_only_while_loading_and_only_where_the_user_is_silent(monkeypatch) -> None:
    """A library that is loaded sees a bound; the user's own setting wins; the environment is left as it was."""
    for name in ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    with abi._bounded_spinning():
        assert os.environ["GOMP_SPINCOUNT"] == abi.SPINS
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.setenv("GOMP_SPINCOUNT", "17")
    with abi._bounded_spinning():
        assert os.environ["GOMP_SPINCOUNT"] == "17"
    assert os.environ.pop("GOMP_SPINCOUNT") == "17"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    with abi._bounded_spinning():
        assert "GOMP_SPINCOUNT" not in os.environ


def test_no_parser_of_c_is_imported() -> None:
    """Loading costs no parsing: cffi's C parser stays out of the process."""
    assert run_python("import sys, graphc.runtime; print('pycparser' in sys.modules)") == "False"
