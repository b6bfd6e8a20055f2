"""Capture: a function runs once and becomes a graph."""
