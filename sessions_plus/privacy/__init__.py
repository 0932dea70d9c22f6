"""What is kept of people: the inventory, their copy of it, and how it is erased."""
