"""The pages for people. A view parses, calls one function of a feature, and answers."""
