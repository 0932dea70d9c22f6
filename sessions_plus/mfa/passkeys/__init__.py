"""Passkeys (WebAuthn Level 3): made, used as a second factor or the only one, and given up."""
