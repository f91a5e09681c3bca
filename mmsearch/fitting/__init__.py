"""Learning from pairs how a user's words and media meet: a head of its own over the features that are stored.

::

    pairs ──gather──► features of both sides ──choose──► settings, and what they are worth on pairs held out
                                                  │
                           Fit (two linear maps) ◄┘ ──install──► vectors of a new space; nothing is encoded again
"""
