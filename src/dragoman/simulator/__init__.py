"""A simulated upstream and the demo's traffic: six dialects on loopback, no key, the same answer every time.

What the model's name asks for is written in `plan.BEHAVIOURS`. Answers depend on the request alone (never on time,
chance or earlier requests, but for the flaky models), so that a call through Dragoman and one around it can be
compared. A request that the real service would refuse is refused (`anthropic_rules`, `openai_rules`). No part of the
product's decoding is used here: the wire shapes are written out by hand, from the facts of each dialect.
"""

from dragoman.simulator.server import Server, start

__all__ = ["Server", "start"]
