"""PyTorch's own tables of operators, modules, and optimizers, with their sample inputs, tried against graphc."""
