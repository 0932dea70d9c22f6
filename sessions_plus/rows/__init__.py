"""The session's row, without a model instance: found, changed and ended in single statements."""
