"""From scores to confidence: how likely it is that a question which has nothing to do with the index scores less.

::

    made questions, or items held out ──► their best scores ──► Tail ──► evidence = -log p, confidence = 1 - p
    (at the end of a change: `update`)    (the catalog keeps them)       (when it is asked: `Calibrations`)

For each direction the background is the distribution of the best score of an unrelated question: of made captions, if
texts ask; of items of the index itself, if media ask.
"""
