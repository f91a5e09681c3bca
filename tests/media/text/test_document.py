import pytest

from mmsearch.errors import MediaError
from mmsearch.media.text.document import PAUSE_SECONDS, SCENE_SECONDS, in_passages
from mmsearch.types import Medium, Modality, Segment, TextSpec

SPEC = TextSpec(8, lambda passage: len(passage.split()))


def cut(*parts, spec=SPEC):
    made = in_passages(Medium(Modality.TEXT, iter(parts), {"pages": 2}), spec)
    return made, list(made.segments)


def test_parts_without_a_place_are_one_text():
    medium, found = cut(Segment("one two"), Segment(""), Segment("three"))
    assert [(s.content, s.start, s.end, s.page, s.time) for s in found] == [("one two\n\nthree", 0, 14, None, None)]
    assert medium.properties == {"pages": 2, "characters": 14}


def test_no_passage_goes_over_the_end_of_a_page():
    text = "a b c d e f g h. i j k"
    medium, found = cut(Segment("short", page=1), Segment(text, page=3), Segment("end", page=4))
    assert [(s.content, s.page) for s in found] == [("short", 1), ("a b c d e f g h.", 3), ("i j k", 3), ("end", 4)]
    joined = f"short\n{text}\nend"
    assert [joined[s.start : s.end] for s in found] == [s.content for s in found]
    assert medium.properties["characters"] == len(joined)


def cue(text, start, end):
    return Segment(text, time=(start, end))


def test_subtitles_are_cut_together_until_there_is_a_pause():
    late = 3 + PAUSE_SECONDS
    _, found = cut(
        cue("who is", 1, 2), cue("there", 2.5, 3), cue("nobody", late + 0.1, late + 1), cue("oh", late + 1, 30)
    )
    assert [(s.content, s.time) for s in found] == [("who is\nthere", (1, 3)), ("nobody\noh", (late + 0.1, 30))]


def test_a_passage_of_subtitles_does_not_last_longer_than_a_scene():
    cues = [cue("la", n * 6, n * 6 + 6) for n in range(25)]
    _, found = cut(*cues, spec=TextSpec(1000, len))
    assert [s.time for s in found] == [(0, 60), (60, 120), (120, 150)]
    assert all(s.time[1] - s.time[0] <= SCENE_SECONDS for s in found)


def test_a_passage_that_is_part_of_subtitles_has_their_time():
    _, found = cut(cue("a b c d e.", 0, 2), cue("f g h i j.", 2, 4), cue("k", 4, 5))
    assert [(s.content, s.time) for s in found] == [("a b c d e.", (0, 2)), ("f g h i j.\nk", (2, 5))]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "no text$"),
        ([Segment("")], "no text$"),
        ([Segment(" \n"), Segment("\t")], "nothing but white space"),
        ([Segment("ab"), Segment("c\ud800")], "half a surrogate pair at character 4"),
    ],
)
def test_no_text(parts, reason):
    with pytest.raises(MediaError, match=reason):
        cut(*parts)
