"""Know, show and end every signed-in session of a Django site."""

__version__ = "1.0.0rc1"
