"""A site of django-tenants, whose tenants have users and sessions of their own."""
