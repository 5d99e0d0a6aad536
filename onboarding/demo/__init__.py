"""The demo: a casino with two weeks of play in its sandbox, and the people to look at it with."""
