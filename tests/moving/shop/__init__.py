"""A shop that moves in, as two processes run it: ``before`` without us, ``after`` by our page."""
