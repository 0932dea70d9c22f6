"""What a site's settings name by dotted path, and nothing else."""
