"""
Tokens for programs: access tokens (JWT, minutes), and refresh tokens, which are the key
of a session of kind ``api``.

Importing this package needs no optional library; using it needs the extra ``api``.
"""
