"""Launches: registrations and keys, logins, identity tokens, who a person is, deep links."""
