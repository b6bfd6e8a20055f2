"""The only two ways in which a text from outside enters C: as an identifier, and as a comment."""

from __future__ import annotations

import re

_KEYWORDS_TEXT = """
    auto bool break case char complex const continue default do double else enum extern false float for goto
    if imaginary inline int long main register restrict return short signed sizeof static struct switch true
    typedef union unsigned void volatile while asm typeof linux unix NAN INFINITY NULL I int8_t int16_t
    int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t buffers extents arena threads error first last
    thread team failed state shared local block
"""
_KEYWORDS = frozenset(_KEYWORDS_TEXT.split())
_LIBRARY_TEXT = """
    abs acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim floor fma
    fmax fmin drem exp10 finite pow10 scalb scalbln significand sincos signgam
    fmod frexp gamma hypot ilogb j0 j1 jn ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround
    modf nan nearbyint nextafter pow remainder remquo rint round scalbn signbit sin sinh sqrt tan tanh tgamma
    trunc y0 y1 yn memcpy memmove memset index rindex strsep basename ffs div ldiv lldiv labs llabs random
    select time exit abort read write pause rand malloc calloc realloc free system isnan isinf isfinite isnormal
    cabs cacos cacosh carg casin casinh catan catanh ccos ccosh cexp cimag clog clog10 conj cpow cproj creal csin csinh
    csqrt ctan ctanh isgreater isgreaterequal isless islessequal islessgreater isunordered fpclassify signal raise
    remove rename
"""
_LIBRARY = frozenset(_LIBRARY_TEXT.split())


def identifier(text: str) -> str:
    """A C identifier as like ``text`` as can be: letters, digits and underscores of ASCII, at most 48 of them.

    It is no keyword, no name of the C library, nor one that the templates use (those start with ``gc_``).
    """
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text)[:48].strip("_")
    # A leading underscore and capital, or two underscores, are the compiler's.
    name = re.sub(r"__+", "_", name)
    if not name or name[0].isdigit():
        name = f"v{name}"
    if name in _KEYWORDS or name in _LIBRARY or name.startswith(("gc_", "GC_", "graphc_")):
        name = f"{name}_"
    return name


def comment(text: str) -> str:
    """``text`` on one line, such that it can't end the comment that it stands in, nor start one, nor splice lines."""
    line = " ".join(text.split())
    line = "".join(character if " " <= character <= "~" else "?" for character in line)
    for pattern, harmless in (("*/", "* /"), ("/*", "/ *"), ("??", "? ?"), ("\\", "|")):
        while pattern in line:
            line = line.replace(pattern, harmless)
    # What stands around it must not make a delimiter together with its first or last character.
    return re.sub(r"^/", " /", re.sub(r"\*$", "* ", line))


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most so many characters, broken at blanks."""
    lines, current = [], ""
    for word in text.split(" "):
        if current and len(current) + 1 + len(word) > width:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}" if current else word
    return [*lines, current]


class Names:
    """Identifiers for the names of one scope: equal names get equal identifiers, different names different ones."""

    def __init__(self, reserved: tuple[str, ...] = ()):
        self._given: dict[str, str] = {}
        self._taken: set[str] = set(reserved)

    def __call__(self, name: str) -> str:
        if name not in self._given:
            self._given[name] = self.fresh(name)
        return self._given[name]

    def bind(self, name: str, identifier: str) -> None:
        """Let a name have an identifier of the caller's choice."""
        self._given[name] = identifier
        self._taken.add(identifier)

    def fresh(self, name: str) -> str:
        """A new identifier like ``name``, whatever was given for that name before."""
        wanted = candidate = identifier(name)
        number = 2
        while candidate in self._taken:
            candidate = f"{wanted}_{number}"
            number += 1
        self._taken.add(candidate)
        return candidate
