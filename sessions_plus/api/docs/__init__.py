"""What the API says of itself: an OpenAPI schema with every example and every error."""
