"""System checks. Each has an id and says what to write instead."""
