"""The workloads written for JAX. `PROGRAMS` maps a workload's name to a function that builds its step."""

from benchmarks.jax_programs.registry import PROGRAMS

__all__ = ["PROGRAMS"]
