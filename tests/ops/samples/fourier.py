"""Samples of Fourier transforms, short-time ones, and windows."""

from __future__ import annotations

from tests.ops.samples.table import OpSample, complex_normal, integers, literal, normal, sample

_HANN = literal([0.0, 0.1464466, 0.5, 0.8535534, 1.0, 0.8535534, 0.5, 0.1464466])
_TO_COMPLEX = ("fft.fft", "fft.ifft")
_TO_REAL = ("fft.irfft", "fft.hfft")
_OF_REAL = ("fft.rfft", "fft.ihfft")


def _one_dimensional() -> tuple[OpSample, ...]:
    found: list[OpSample] = []
    for name in (*_TO_COMPLEX, *_TO_REAL, *_OF_REAL):
        kind = normal if name in _OF_REAL else complex_normal
        found += [
            sample(name, kind(3, 6)),
            sample(name, kind(3, 5, dtype="float64" if kind is normal else "complex128"), label="double"),
            sample(name, kind(3, 6), n=4, label="cut"),
            sample(name, kind(3, 6), n=9, norm="ortho", label="filled"),
            sample(name, kind(4, 3), dim=0, norm="forward", label="first dim"),
            sample(name, kind(2, 4, layout="strided"), n=5, label="strided"),
        ]
        if name not in _OF_REAL:
            found.append(sample(name, normal(4, 5), label="of real"))
        found.append(sample(name, integers(6, low=-5, high=5), label="of integers"))
    return tuple(found)


def _many_dimensional() -> tuple[OpSample, ...]:
    found: list[OpSample] = []
    for suffix, options in (("2", {}), ("n", {"dim": (0, 2)})):
        for stem in ("fft", "ifft", "irfft", "hfft", "rfft", "ihfft"):
            kind = normal if stem in ("rfft", "ihfft") else complex_normal
            name = f"fft.{stem}{suffix}"
            found += [
                sample(name, kind(3, 4, 5)),
                sample(name, kind(3, 4, 5), s=(5, 3), norm="ortho", label="sizes", **options),
                sample(name, kind(3, 4, 5, layout="transposed"), s=(2, -1), norm="forward", label="whole", **options),
            ]
    return tuple(found)


SAMPLES: tuple[OpSample, ...] = (
    *_one_dimensional(),
    *_many_dimensional(),
    sample("fft.fftfreq", 5),
    sample("fft.fftfreq", 6, 0.1, label="distance"),
    sample("fft.rfftfreq", 5),
    sample("fft.rfftfreq", 6, d=2.0, label="distance"),
    sample("fft.fftshift", normal(3, 4)),
    sample("fft.fftshift", complex_normal(3, 5), dim=1, label="dim"),
    sample("fft.ifftshift", normal(3, 5)),
    sample("fft.ifftshift", normal(3, 5), dim=(1,), label="dim"),
    *(
        sample(name, length, periodic, label=f"{length}-{periodic}")
        for name in ("hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window")
        for length in (0, 1, 8, 9)
        for periodic in (True, False)
    ),
    sample("hamming_window", 7, True, 0.5, 0.4, label="coefficients"),
    sample("kaiser_window", 7, True, 3.0, label="beta"),
    sample("stft", normal(2, 40), 8, window=_HANN, return_complex=True),
    sample("stft", normal(40), 8, hop_length=3, window=_HANN, return_complex=True, label="one signal"),
    sample("stft", normal(2, 40), 8, window=_HANN, center=False, return_complex=True, label="not centred"),
    sample(
        "stft", normal(2, 40), 8, window=_HANN, pad_mode="constant", normalized=True, return_complex=True, label="0"
    ),
    sample("stft", normal(2, 40), 8, window=_HANN, onesided=False, return_complex=True, label="both sides"),
    sample("stft", normal(2, 40), 12, win_length=8, window=_HANN, return_complex=True, label="short window"),
    sample("stft", complex_normal(2, 40), 8, window=_HANN, label="complex"),
    sample("istft", complex_normal(2, 5, 9), 8, window=_HANN),
    sample("istft", complex_normal(5, 9), 8, hop_length=3, window=_HANN, length=20, label="length"),
    sample("istft", complex_normal(2, 8, 9), 8, window=_HANN, onesided=False, return_complex=True, label="complex"),
    sample("istft", complex_normal(2, 7, 9), 12, win_length=8, window=_HANN, normalized=True, label="short window"),
)
