"""Programs of the kind that people train with, each compiled whole and held to its eager run."""
