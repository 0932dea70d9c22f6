"""Mail that tells people what happened to their account, and the link that undoes it."""
