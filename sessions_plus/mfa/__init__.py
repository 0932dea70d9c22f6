"""The second factor: enrolled, asked for at every door, throttled, and proved again."""
