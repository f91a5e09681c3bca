from mmsearch.demo import items
from mmsearch.demo.tour import TOUR
from mmsearch.types import Modality


def test_every_question_is_asked_with_something_of_the_corpus():
    paths = {file.path: file.modality for file in items.media()}
    for step in TOUR:
        assert step.text or step.image or step.audio
        assert step.image is None or paths[step.image] is Modality.IMAGE
        assert step.audio is None or paths[step.audio] is Modality.AUDIO
        assert step.title and step.explanation.endswith(".") and step.k > 0


def test_the_tour_goes_everywhere():
    def asked(step):
        return {name for name in ("text", "image", "audio") if getattr(step, name) is not None}

    directions = [(asked(step), step.target) for step in TOUR]
    assert ({"text"}, {Modality.IMAGE}) in directions
    assert ({"image"}, {Modality.TEXT}) in directions
    assert ({"audio"}, {Modality.IMAGE}) in directions
    assert any(len(query) > 1 for query, _ in directions)
    assert ({"text"}, frozenset()) in directions
