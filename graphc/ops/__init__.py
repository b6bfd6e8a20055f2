"""Operators: one class per primitive, in a module per family, and the functions written with them.

Importing :mod:`graphc.ops.operators` registers all primitives and gives graph symbols their operators and methods.
"""
