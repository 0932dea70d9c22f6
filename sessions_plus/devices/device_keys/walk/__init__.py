"""
What a browser does to bind a session and to prove it, done by a program (``sessionsdoctor``).

From outside, through whatever stands before the site, to find out what gets lost there.
"""
