"""The tensor IR."""
