"""Apple's GPUs: not used. Source: https://docs.pytorch.org/docs/stable/backends.html"""


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """False."""
    return False
