"""Judging a source from outside: does it behave so that fetching from it loses nothing?"""
