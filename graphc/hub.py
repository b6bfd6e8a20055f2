"""Models of other repositories, and checkpoints by their address, from files that lie on the disk. Nothing is
downloaded.

Source: https://docs.pytorch.org/docs/stable/hub.html
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

from graphc.missing_names import lazy_names
from graphc.serialization import load as _read

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]
__getattr__ = lazy_names(__name__)
_CONFIGURATION = "hubconf.py"
_chosen: dict[str, str] = {}


def get_dir() -> str:
    """The folder of repositories and ``checkpoints``: what :func:`set_dir` chose, else ``hub`` in ``$TORCH_HOME``, else
    in ``torch`` of the user's cache."""
    if "dir" in _chosen:
        return _chosen["dir"]
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Choose the folder."""
    _chosen["dir"] = os.path.expanduser(os.fspath(d))


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = None,
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What an entry point of a repository's ``hubconf.py`` gives for the arguments.

    Args:
        repo_or_dir: a folder with ``source="local"``; else ``owner/name[:branch]``, of which a copy must lie in
            :func:`get_dir` as ``owner_name_branch``.
        model: the entry point's name.

    Raises:
        ValueError: for an unknown source.
        FileNotFoundError: where no copy lies on the disk.
        RuntimeError: where the repository has no such entry point.
    """
    return _entry(_folder(repo_or_dir, source), model)(*args, **kwargs)


def list(github: str, force_reload: bool = False, skip_validation: bool = False, **options: Any) -> Any:
    """The names of a repository's entry points."""
    with _configuration(_folder(github, options.get("source", "github"))) as module:
        return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def help(github: str, model: str, force_reload: bool = False, skip_validation: bool = False, **options: Any) -> Any:
    """What an entry point says of itself."""
    return _entry(_folder(github, options.get("source", "github")), model).__doc__


def _folder(repository: str, source: str) -> Path:
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "local":
        return Path(repository)
    name, _, branch = repository.partition(":")
    owner, _, title = name.partition("/")
    folders = [Path(get_dir()) / f"{owner}_{title}_{each}" for each in ([branch] if branch else ["main", "master"])]
    for folder in folders:
        if (folder / _CONFIGURATION).is_file():
            return folder
    raise FileNotFoundError(
        f"graphc downloads nothing: put a copy of the repository {repository} at {folders[0]}, or give a folder with "
        'source="local"'
    )


@contextlib.contextmanager
def _configuration(folder: Path) -> Iterator[ModuleType]:
    path = folder / _CONFIGURATION
    if not path.is_file():
        raise FileNotFoundError(f"there is no {_CONFIGURATION} in {folder}")
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("hubconf", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for needed in getattr(module, "dependencies", ()):
            if importlib.util.find_spec(needed) is None:
                raise RuntimeError(f"Missing dependencies: {needed}")
        yield module
    finally:
        sys.path.remove(str(folder))


def _entry(folder: Path, name: str) -> Any:
    with _configuration(folder) as module:
        found = getattr(module, name, None)
    if found is None or not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return found


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """The object in the file that an address names by its last part, from ``model_dir`` or ``checkpoints`` in
    :func:`get_dir`. Raises FileNotFoundError, which says where to put the file, where it does not lie there."""
    folder = Path(model_dir) if model_dir is not None else Path(get_dir()) / "checkpoints"
    path = folder / (file_name or os.path.basename(urlparse(url).path))
    if not path.is_file():
        raise FileNotFoundError(f"graphc downloads nothing: put the file of {url} at {path}")
    return _read(path, map_location, weights_only=weights_only)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Nothing where the file is there; raises FileNotFoundError, which says where to put it, where it is not."""
    if not os.path.isfile(dst):
        raise FileNotFoundError(f"graphc downloads nothing: put the file of {url} at {dst}")
