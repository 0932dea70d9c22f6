"""A small site whose own code uses ours, checked as strictly as a site may be."""
