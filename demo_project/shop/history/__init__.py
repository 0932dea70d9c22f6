"""Some weeks in the life of the shop: who its people are, and what they did."""
