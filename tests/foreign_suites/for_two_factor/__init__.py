"""What the tests of django-two-factor-auth need, and its source distribution leaves out."""
