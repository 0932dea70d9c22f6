"""What operators run beside traffic: clean-up, resealing, diagnosis."""
