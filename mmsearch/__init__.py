"""mmsearch: cross-modal vector search over pictures, sounds and text."""
