import pytest

from mmsearch.captions.inflection import participle, plural, third_person, with_article


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("teapot", "a teapot"),
        ("apple", "an apple"),
        ("old unicycle", "an old unicycle"),
        ("unicycle", "a unicycle"),
        ("ukulele", "a ukulele"),
        ("European fire salamander", "a European fire salamander"),
        ("umbrella", "an umbrella"),
        ("hourglass", "an hourglass"),
        ("horse", "a horse"),
    ],
)
def test_articles(phrase, said):
    assert with_article(phrase) == said


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("dog", "dogs"),
        ("school bus", "school buses"),
        ("paintbrush", "paintbrushes"),
        ("cherry", "cherries"),
        ("toy", "toys"),
        ("computer mouse", "computer mice"),
        ("fireman", "firemen"),
        ("goldfish", "goldfish"),
        ("cup of coffee", "cups of coffee"),
        ("timber wolf", "timber wolves"),
    ],
)
def test_plurals(phrase, said):
    assert plural(phrase) == said


@pytest.mark.parametrize(
    ("verb", "one", "going_on"),
    [
        ("bark", "barks", "barking"),
        ("buzz", "buzzes", "buzzing"),
        ("hum", "hums", "humming"),
        ("fly", "flies", "flying"),
        ("play", "plays", "playing"),
        ("whine", "whines", "whining"),
        ("hiss", "hisses", "hissing"),
        ("drip", "drips", "dripping"),
        ("roar", "roars", "roaring"),
        ("moo", "moos", "mooing"),
        ("chew", "chews", "chewing"),
        ("go", "goes", "going"),
        ("open", "opens", "opening"),
    ],
)
def test_verbs(verb, one, going_on):
    assert third_person(verb) == one
    assert participle(verb) == going_on
