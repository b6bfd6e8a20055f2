"""The processor. Source: https://docs.pytorch.org/docs/stable/backends.html"""


def get_cpu_capability() -> str:
    """The widest vectors of this processor, as PyTorch calls them: "AVX512", "AVX2", "DEFAULT"."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line for line in file if line.startswith("flags")), "").split()
    except OSError:
        flags = []
    if "avx512f" in flags:
        return "AVX512"
    return "AVX2" if "avx2" in flags else "DEFAULT"
