"""Zero-shot classification: which of some labels a picture, a sound or a text goes with, and how surely.

::

    labels ─► prompts ─► text vectors ┐
                                      ├─ scores x scale ─► softmax ─► mean over segments ─► probabilities
    files or an index ─► segments ────┘

After CLIP (Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021): a label
is asked in several templates, and the softmax has the model's own temperature.
"""
