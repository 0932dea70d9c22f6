"""Know, show and end every signed-in session of a Django site."""

__version__ = "0.1.0"
