"""Our side of the seam with packages of others: one file each, and nothing of it is on unasked."""
