"""Moving in from other engines and packages, and out again: sessions, and second factors."""
