"""Side-by-side timing of graphc and other frameworks: `python -m benchmarks`. See README.md."""
