"""How the tier speaks to each kind of cache."""
