"""Tests of graphc.func."""
