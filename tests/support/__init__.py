"""What tests share: servers, browsers, sites, people, and ways to force a race."""
