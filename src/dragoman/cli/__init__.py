"""The command line: one file per command; each calls the same functions as the API."""
