"""Where the files are that generated programs are made of."""

from __future__ import annotations

from pathlib import Path

import graphc

_PACKAGE = Path(graphc.__path__[0])


def template_folder() -> Path:
    """Where the templates are: inside an installed package, or beside it in the repository.

    Raises FileNotFoundError where neither holds them.
    """
    for folder in (_PACKAGE / "templates", _PACKAGE.parent / "templates"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the templates are neither in {_PACKAGE} nor beside it; reinstall graphc")
