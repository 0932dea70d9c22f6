"""The endpoints, by subject. Each reads, calls one function of a feature, and answers."""
