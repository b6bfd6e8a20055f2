"""The forward workloads written for ONNX Runtime. `PROGRAMS` maps a workload's name to a function that builds it."""

from benchmarks.onnx_programs.programs import PROGRAMS

__all__ = ["PROGRAMS"]
