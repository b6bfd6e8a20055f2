"""C as a target: loop programs as text."""

from graphc.codegen.c.program import print_kernels, print_program

__all__ = ["print_kernels", "print_program"]
