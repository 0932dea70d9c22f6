"""A site whose users have UUIDs for primary keys."""
