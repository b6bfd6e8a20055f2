"""Makes the picture and the C in the README anew from `line.py`: run it when the compiler writes other C."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"


def main() -> None:
    """Write `line.svg` and the README's C."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "graphc", "dump", "docs/pictures/line.py", "--out", folder]
        subprocess.run(command, cwd=README.parent, check=True)
        picture, source = (Path(folder, "step", name).read_text() for name in ("graph.svg", "program.c"))
    (HERE / "line.svg").write_text(picture)
    kernel = re.search(r"/\* ---- kernels ---- \*/\n\n(.*?^}\n)", source, re.DOTALL | re.MULTILINE).group(1)
    text = README.read_text()
    README.write_text(re.sub(r"^```c\n.*?^```$", lambda _: f"```c\n{kernel}```", text, flags=re.DOTALL | re.MULTILINE))


if __name__ == "__main__":
    main()
