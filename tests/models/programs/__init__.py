"""One program a file: ``build(compiled)`` makes the model, decorates its steps, and gives a ``Running``."""
