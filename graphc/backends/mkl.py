"""Intel's MKL: not used. Source: https://docs.pytorch.org/docs/stable/backends.html"""


def is_available() -> bool:
    """Whether the library is used."""
    return False
