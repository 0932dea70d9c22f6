"""Django's own tests, run with our engines and our middleware in place of Django's."""
