"""`exact`, as a step of a chain."""

import numpy as np
import pytest
from made import picture

from mmsearch import Query, Record
from mmsearch.errors import QueryError
from mmsearch.search import rerank
from mmsearch.search.rerank.base import Context
from mmsearch.search.rerank.exact import Exact
from mmsearch.search.route import Route
from mmsearch.types import Modality


def test_it_undoes_what_others_made_of_the_order(index):
    index.add_items([Record(id=f"{n}", image=picture(colour)) for n, colour in enumerate(("red", "red", "blue"))])
    plain, diverse, exact = (
        [hit.id for hit in index.search("red red blue", rerank=chain)] for chain in ("none", "mmr:0.1", "mmr:0.1,exact")
    )
    assert plain == exact and plain[2] == diverse[1] == "2"


def test_alone_it_changes_nothing(full):
    for question in ("red", "a low whistle"):
        plain, exact = (full.search(question, k=8, rerank=chain) for chain in ("none", "exact"))
        assert [(hit.id, hit.start) for hit in plain] == [(hit.id, hit.start) for hit in exact]
        np.testing.assert_allclose([hit.score for hit in plain], [hit.score for hit in exact], atol=1e-6)


def test_an_item_that_was_found_by_another_segment_gets_its_best(index):
    index.add_items([Record(id="long", text="red " * 60 + "\n\n" + "blue " * 60), Record(id="other", text="red sea")])
    searcher = index.searcher
    (embedded,) = searcher.embedded([Query.text("blue")], (Modality.TEXT,))
    with index.hold() as view:
        routes = {Modality.TEXT: Route(index.model.heads[0].space)}
        context = Context(view, view.snapshot(), index.model, routes, explains=True)
        directions = searcher._finder.directions(view, [embedded], routes)
        ((found,), _) = searcher._finder.candidates(view, [embedded], directions, 2)
        wrong = found.take(np.arange(2))
        place = int(np.argmax(wrong.cosines))
        ((ids, vectors),) = context.segments_of(Modality.TEXT, [int(wrong.items[place])])
        worst = int(np.argmin(vectors @ context.asked(embedded, Modality.TEXT)))
        wrong.segments[place], wrong.cosines[place] = ids[worst], -1.0
        after = rerank.apply([("exact", Exact(context))], embedded, wrong)
    np.testing.assert_array_equal(after.segments, found.segments)
    np.testing.assert_allclose(after.cosines, found.cosines, atol=1e-6)
    assert after.history[0].notes[0] == {"cosine before": -1.0}


def test_it_takes_no_argument(full):
    with pytest.raises(QueryError, match="exact takes no argument"):
        full.search("red", rerank="exact:3")
