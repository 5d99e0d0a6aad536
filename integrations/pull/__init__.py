"""Fetching from partners: a source gives pages, a run stores them, a lease says who is at it."""
