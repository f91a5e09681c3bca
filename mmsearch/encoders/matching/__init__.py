"""Cross-encoders: models that read a picture and a text together, and say whether they match.

::

    picture ─► Pixels ─┐
                       ├─► one transformer over both ─► head ─► probability
    text ─► tokenizer ─┘

A pair costs a whole pass, so that only the best candidates of a search are judged (the reranker `cross`). There are
BLIP with its head for image-text matching (Li et al., ICML 2022) and ViLT (Kim et al., ICML 2021), in transformers'
own code. Both were tested with random weights only; how much their published weights help was not measured here.
"""
