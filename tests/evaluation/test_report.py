"""The page of an evaluation, read back."""

import io
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made import RATE, picture, tone
from PIL import Image
from read_page import Page, unpacked

from mmsearch.encoders.fake import COLOURS as FAKE_COLOURS
from mmsearch.errors import QueryError
from mmsearch.evaluation import report
from mmsearch.evaluation.bootstrap import Interval
from mmsearch.evaluation.compare import Comparison, Difference, Fallen
from mmsearch.evaluation.datasets import Dataset, Judgements
from mmsearch.evaluation.geometry.hubness import hubness
from mmsearch.evaluation.judging import Qrels, judge
from mmsearch.evaluation.measures import Estimate
from mmsearch.evaluation.report import charts, failures, learning
from mmsearch.evaluation.runs import Run
from mmsearch.evaluation.trial import Trial
from mmsearch.evaluation.variants import SHOWN, Variant, variants
from mmsearch.types import Modality, Record

IMAGE, TEXT, AUDIO = Modality.IMAGE, Modality.TEXT, Modality.AUDIO
COLOURS = ("red", "green", "blue", "yellow", "black")
PITCHES = ("low", "whistle")


@pytest.fixture
def dataset(tmp_path):
    """Five pictures with a right and a wrong caption each, two sounds with right labels and a wrong one."""
    folder = tmp_path / "made"
    folder.mkdir()
    records, pictures, sounds = [], {}, {}
    for n, colour in enumerate(COLOURS):
        picture(colour).save(folder / f"{colour}.png")
        records.append(Record(id=colour, image=folder / f"{colour}.png"))
        for text in (f"it is {colour}", f"it is {COLOURS[n - 1]}, they say"):
            records.append(Record(id=text, text=text))
            pictures[text] = frozenset({colour})
    for pitch in PITCHES:
        soundfile.write(folder / f"{pitch}.wav", tone(pitch), RATE)
        records += [Record(id=pitch, audio=folder / f"{pitch}.wav"), Record(id=f"a {pitch}", text=f"a {pitch}")]
        sounds[f"a {pitch}"] = frozenset({pitch})
    records.append(Record(id="so low", text="so low"))
    sounds["so low"] = frozenset({"whistle"})
    back = {c: frozenset(text for text, found in pictures.items() if c in found) for c in COLOURS}
    judgements = (
        Judgements(TEXT, IMAGE, pictures),
        Judgements(IMAGE, TEXT, back),
        Judgements(TEXT, AUDIO, sounds),
    )
    return Dataset("made/colours.json", tuple(records), judgements, ("3 things <left out>",))


def written(index, dataset, tmp_path, **more):
    index.add_items(dataset.records)
    evaluation = Trial(index, dataset).evaluate()
    report.write(evaluation, dataset, tmp_path / "out.html", index=index, **more)
    return evaluation, (tmp_path / "out.html").read_text("utf-8")


def lines(page):
    return [line.strip() for line in page.text.splitlines() if line.strip()]


def after(page, *words):
    """What is written after these lines, which come one after the other."""
    said = lines(page)
    for word in words:
        said = said[said.index(word) + 1 :]
    return said


# -- the whole page


def test_the_page_tells_the_figures_of_the_evaluation(index, dataset, tmp_path):
    evaluation, html = written(index, dataset, tmp_path)
    page = Page(html)
    result = evaluation.directions["text->image"].measures
    assert after(page, "At a glance", "hit@1")[:2] == ["50.0", "50.0–50.0"]
    assert result["hit@1"].value == 0.5
    for name, label in (("hit@1", "hit@1"), ("recall@1", "recall@1"), ("map", "mAP"), ("mrr", "MRR")):
        row = after(page, "All measures", "To get the same again", "All measures", label)
        assert f"{100 * result[name].value:.1f}" in row[:3]
    assert f"{result['mean_rank'].value:.1f}" in after(page, "All measures", "mean rank")[:1]
    sections = [element["id"] for element in page.named("section")]
    assert sections == ["summary", "text-to-image", "image-to-text", "text-to-audio", "space", "measures", "again"]
    assert [a["href"] for a in page.named("a")] == [f"#{name}" for name in sections]
    assert "3 things <left out>" in page.text
    assert "(CLIP's R@1)" in page.text
    assert "(fractional)" in page.text


def test_the_page_holds_everything_and_asks_for_nothing(index, dataset, tmp_path):
    page = Page(written(index, dataset, tmp_path)[1])
    (policy,) = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    assert not page.named("script") + page.named("link") + page.named("iframe")
    for _, attributes in page.elements:
        assert not [value for value in attributes.values() if value and re.match(r"(https?:)?//", value)]
        assert not [name for name in attributes if name.startswith("on")]
    pictures = page.named("img")
    assert pictures
    assert page.named("audio")
    for shown in pictures:
        with Image.open(io.BytesIO(unpacked(shown["src"], "image/jpeg"))) as image:
            assert image.size == (64, 48)


def test_the_same_evaluation_makes_the_same_bytes(index, dataset, tmp_path):
    first = written(index, dataset, tmp_path)[1]
    evaluation = Trial(index, dataset).evaluate()
    report.write(evaluation, dataset, tmp_path / "again.html", index=index)
    assert (tmp_path / "again.html").read_text("utf-8") == first
    assert str(tmp_path) not in first, "the page can be given away"


def test_what_somebody_needs_to_get_the_same_again(index, dataset, tmp_path):
    index.add_items(dataset.records)
    evaluation = Trial(index, dataset).evaluate().since({"command": "mmsearch eval <made>", "nested": {"a": {"b": 1}}})
    report.write(evaluation, dataset, tmp_path / "out.html", index=index)
    page = Page((tmp_path / "out.html").read_text("utf-8"))
    assert after(page, "model · name")[0] == "fake"
    assert after(page, "command")[0] == "mmsearch eval <made>"
    assert after(page, "nested · a · b")[0] == "1"
    assert after(page, "versions · numpy")[0] == np.__version__


def test_captions_and_names_cannot_change_the_page(index, tmp_path):
    name = "\"><img src=x onerror=alert(1)> & 'q'.png"
    picture("red").save(tmp_path / name)
    picture("blue").save(tmp_path / "blue.png")
    odd = os.fsdecode(b"caf\xe9.png")
    picture("green").save(tmp_path / odd)
    hostile = "</blockquote><script>alert('red')</script> \x00\x1b $title ${x}"
    records = (
        Record(id="<b>", image=tmp_path / name),
        Record(id="blue", image=tmp_path / "blue.png"),
        Record(id="odd", image=tmp_path / odd),
        Record(id="</section>", text=hostile),
        Record(id="green", text="blue"),
    )
    qrels = {"</section>": frozenset({"<b>"}), "green": frozenset({"odd"})}
    back = {"<b>": frozenset({"green"}), "odd": frozenset({"</section>"})}
    dataset = Dataset("<i>name</i>", records, (Judgements(TEXT, IMAGE, qrels), Judgements(IMAGE, TEXT, back)))
    page = Page(written(index, dataset, tmp_path)[1])
    assert not page.named("script")
    assert not [attributes for _, attributes in page.elements if "onerror" in attributes]
    assert "</blockquote><script>alert('red')</script> \\x00\\x1b $title ${x}" in page.text
    assert name in page.text
    assert "caf\\xe9.png" in page.text
    assert "on <i>name</i>" in page.text


def test_a_file_that_is_gone_has_a_placeholder(index, dataset, tmp_path):
    index.add_items(dataset.records)
    evaluation = Trial(index, dataset).evaluate(rerank=[])
    for path in (tmp_path / "made").iterdir():
        if path.name != "red.png":
            path.unlink()
    (tmp_path / "made" / "red.png").write_bytes(b"no picture")
    report.write(evaluation, dataset, tmp_path / "out.html", index=index)
    page = Page((tmp_path / "out.html").read_text("utf-8"))
    assert not page.named("img")
    assert any("no picture" in line for line in lines(page))
    assert after(page, "Worst failures")[0] == "Question"


def test_distractors_are_shown_by_what_the_index_knows(index, dataset, tmp_path):
    asked = {"so purple": frozenset({"red"})}
    records = (*dataset.records, Record(id="so purple", text="so purple"))
    only = Dataset("texts", records, (Judgements(TEXT, IMAGE, asked),))
    pictures = {record.id: record.image for record in dataset.records if record.image}
    (tmp_path / "others").mkdir()
    picture("purple").save(tmp_path / "others" / "else.png")
    index.add([tmp_path / "made", tmp_path / "others"])
    index.add_items([Record(id="a note", text="it is red, says the note")])
    match = {id: item.id for item in index.items() for id, path in pictures.items() if item.path == path}
    assert len(match) == len(COLOURS)
    trial = Trial(index, only, match=match)
    report.write(trial.evaluate(), only, tmp_path / "out.html", index=index, match=match)
    page = Page((tmp_path / "out.html").read_text("utf-8"))
    assert "else.png" in page.text
    shelf = report.Shelf(index, only, match)
    assert "it is red, says the note" in shelf.item("a note", TEXT)
    assert "no text" in shelf.item("nobody", TEXT)
    assert "image without a file" in shelf.item("a note", IMAGE)


def test_a_page_that_cannot_be_written_is_an_error(index, dataset, tmp_path):
    index.add_items(dataset.records)
    evaluation = Trial(index, dataset).evaluate()
    with pytest.raises(QueryError, match="cannot write the report"):
        report.write(evaluation, dataset, tmp_path / "missing" / "out.html", index=index)


def test_media_that_are_no_files_are_shown(index, tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:] = FAKE_COLOURS["red"]
    dataset = Dataset("memory", (Record(id="p", image=pixels), Record(id="s", audio=(tone("low"), RATE))), ())
    shelf = report.Shelf(index, dataset)
    assert "<img" in shelf.item("p", IMAGE)
    assert "<audio" in shelf.question("s", AUDIO)


# -- failures


def run(lists, relevant, target=IMAGE, groups=None):
    """A run whose items are named by letters."""
    numbers = np.array([[ord(c) - 97 for c in row] for row in lists], np.int64)
    grades = [dict.fromkeys(row, 1) if isinstance(row, str) else row for row in relevant]
    qrels = Qrels.of([{ord(id) - 97: grade for id, grade in row.items()} for row in grades])
    return Run(
        TEXT,
        target,
        tuple(f"q{n}" for n in range(len(lists))),
        tuple(grades),
        judge(numbers, qrels),
        np.array([list(row) for row in lists], object),
        np.linspace(1, 0.5, numbers.size, dtype=np.float32).reshape(numbers.shape),
        np.empty(0, np.float32),
        np.arange(len(lists)) if groups is None else np.array(groups),
    )


def test_the_worst_come_first_and_right_ones_not_at_all():
    found = failures.worst(run(["abcd", "abcd", "abcd", "abcd", "abcd"], ["b", "z", "a", "d", "y"]))
    assert [(one.number, one.rank) for one in found] == [(1, None), (4, None), (3, 4), (0, 2)]


def test_one_thing_is_shown_once():
    lists = ["abcd"] * 5
    found = failures.worst(run(lists, ["z", "z", "y", "x", "w"], groups=[0, 1, 2, 2, 3]))
    assert [one.number for one in found] == [0, 2, 4], "1 has the answer of 0, 3 is of the group of 2"


def test_no_more_than_so_many():
    assert len(failures.worst(run(["abcd"] * 9, [*"stuvwxyzr"]))) == failures.MOST


def test_the_best_grades_are_shown_first():
    (found,) = failures.worst(run(["abcd"], [{"x": 1, "y": 3, "z": 2}]))
    assert found.right == ("y", "z", "x")


class Names:
    """Shows names only."""

    def question(self, id, modality):
        return f"<p>asks {id}</p>"

    def item(self, id, modality):
        return f"<p>is {id}</p>"


def test_a_failure_shows_question_truth_and_answers():
    page = Page(failures.gallery(run(["abcd"], ["vwxyz"], target=TEXT), Names(), 4))
    said = lines(page)
    assert said[:2] == ["Question", "asks q0"]
    assert said[2:7] == ["Right answer, not among the first 4", "is v", "is w", "is x", "and 2 more"]
    assert said[7:] == ["Answer 1", "1.000", "is a", "Answer 2", "0.833", "is b", "Answer 3", "0.667", "is c"]


def test_short_answers_end_where_they_end():
    (short,) = [run(["ab"], ["z"])]
    short.items[0, 1] = ""
    page = Page(failures.gallery(short, Names(), 4))
    assert [line for line in lines(page) if line.startswith("Answer")] == ["Answer 1"]


def test_no_failure_is_told():
    assert "No failures" in failures.gallery(run(["ab"], ["a"]), Names(), 2)


# -- plots


def heights(svg, kind):
    """The y coordinates of a path."""
    (path,) = re.findall(rf'<path class="line {kind}" d="([^"]+)"', svg)
    return [float(point.split()[1]) for point in path[1:].split("L")]


def test_chance_is_hypergeometric():
    ks, n = np.array([1, 2, 5, 10, 20]), 20
    found = charts.chance(np.array([1, 3, 3, 20]), n, ks)
    for k, value in zip(ks.tolist(), found.tolist(), strict=True):
        each = [1 - math.comb(n - r, k) / math.comb(n, k) for r in (1, 3, 3, 20)]
        assert value == pytest.approx(sum(each) / 4)


def test_the_recall_curve_rises_with_what_is_found():
    svg = charts.recall_curve(run(["abcdefgh"] * 4, [*"abdh"]), 8, 1_000)
    found = heights(svg, "image")
    low, high = 218, 14  # 0 % and 100 %
    shares = [(low - height) / (low - high) for height in found]
    assert shares == pytest.approx([0.25, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75, 1.0], abs=0.001)
    assert re.findall(r'class="word [^>]*>([^<]+)<', svg) == ["25.0", "75.0"], "hit@1 and hit@5; there is no hit@10"


def test_one_item_is_enough_for_a_page():
    assert "100.0" in charts.recall_curve(run(["a"], ["a"]), 1, 1_000)


def test_occurrences_are_counted_in_bars():
    answers = np.array([["a"], ["a"], ["a"], ["b"], ["c"]], object)
    svg = charts.occurrences(hubness(answers, [*"abcdefgh"]), "image")
    assert re.findall(r'class="word [^>]*>([^<]+)<', svg) == ["5", "2", "1"]
    assert re.findall(r'class="tick" [^>]*>([^<]+)<', svg) == ["0", "1", "2–3"]


def test_the_binomial_of_the_plot_sums_to_one():
    lows, ends = [0, 1, 2, 4, 8, 16, 32], [1, 2, 4, 8, 16, 32, 64]
    found = charts._binomial(40, 0.2, lows, ends)
    mass = [math.comb(40, m) * 0.2**m * 0.8 ** (40 - m) for m in range(41)]
    assert found == pytest.approx([sum(mass[low:end]) for low, end in zip(lows, ends, strict=True)])
    assert charts._binomial(3, 1.0, [0, 1, 2], [1, 2, 4]).tolist() == [0, 0, 1]


def test_the_learning_curve_shows_fit_and_before():
    def figures(n):
        after = {"hit@1": n / 10_000, "hit@5": n / 5_000, "hit@10": n / 4_000}
        return {"text->image": {"before": dict.fromkeys(after, 0.1), "after": after}}

    svg = learning.charts({n: figures(n) for n in (2_000, 500, 1_000)})
    assert [tick for tick in re.findall(r'class="tick" [^>]*>([^<]+)<', svg)] == ["500", "1,000", "2,000"]
    assert re.findall(r'class="word [^>]*>([^<]+)<', svg) == ["hit@10 50.0", "hit@5 40.0", "hit@1 20.0"]
    assert svg.count("line dashed") == 3


def test_the_curve_of_a_fit_in_use_is_shown(index, tmp_path):
    random, names = np.random.default_rng(0), list(FAKE_COLOURS)
    records, qrels = [], {}
    for n in range(60):
        a, b = random.choice(len(names), 2, replace=False)
        pixels = np.full((16, 16, 3), FAKE_COLOURS[names[a]], np.uint8)
        pixels[: random.integers(1, 8)] = FAKE_COLOURS[names[b]]
        records += [Record(id=f"p{n}", image=pixels), Record(id=f"t{n}", text=f"mostly{a} partly{b} number {n}")]
        qrels[f"t{n}"] = frozenset({f"p{n}"})
    dataset = Dataset("made", tuple(records), (Judgements(TEXT, IMAGE, qrels),))
    index.add_items(records)
    (fitted,) = index.fits.learn(dataset, name="<mine>", force=True)
    report.write(Trial(index, dataset).evaluate(), dataset, tmp_path / "out.html", index=index)
    page = Page((tmp_path / "out.html").read_text("utf-8"))
    assert "learning" in [element["id"] for element in page.named("section")]
    (size, *_) = fitted.learnt.curve
    said = after(page, "<mine>")
    assert f"{size:,}" in said[:20]
    value = fitted.learnt.curve[size].figures["text->image"]["after"]["hit@10"]
    assert f"hit@10 {100 * value:.1f}" in said
    index.fits.undo()
    report.write(Trial(index, dataset).evaluate(), dataset, tmp_path / "out.html", index=index)
    assert "&lt;mine&gt;" not in (tmp_path / "out.html").read_text("utf-8")


# -- ways to search


def test_ways_to_search_stand_side_by_side(index, dataset, tmp_path):
    def variant(name, value, **more):
        return Variant(name, {m.name: Estimate(value, Interval(value, value)) for m in SHOWN}, **more)

    rows = (
        variant("exact", 0.5, seconds=0.0012),
        variant("approx <1>", 0.25, recall=0.98765, seconds=0.0001, note="hnsw & more"),
        Variant("quantised", {}, note="there <is> none"),
        Variant("reranked", {}, note="there <is> none"),
    )
    page = Page(written(index, dataset, tmp_path, variants={"text->image": rows})[1])
    assert after(page, "What the index costs", "What the index costs", "exact")[:7] == [*["50.0"] * 6, "1.20 ms"]
    assert after(page, "approx <1>")[:9] == ["hnsw & more", *["25.0"] * 6, "98.8", "0.10 ms"]
    assert "quantised, reranked: there <is> none." in lines(page)
    assert len(page.classed("sure")) == len(SHOWN), "the best of each column"


def test_ways_are_measured_and_shown(index, dataset, tmp_path):
    index.add_items(dataset.records)
    found = variants(Trial(index, dataset))
    page = Page(written(index, dataset, tmp_path, variants=found)[1])
    assert "hubness-corrected" in lines(page)
    assert len([way for way in lines(page) if way == "exact"]) == 3


# -- comparisons


def test_a_comparison_says_what_differs_and_what_fell(tmp_path):
    rows = (
        Difference("text->image", "hit@1", 0.1, 0.25, 0.15, Interval(0.05, 0.2), 0.0002, 0.004),
        Difference("text->image", "map", 0.3, 0.29, -0.01, Interval(-0.03, 0.02), 0.4, 0.8),
    )
    fallen = {"text->image": (Fallen("id", "a <b> dog", 1, None, -0.9), Fallen("id2", "", 1, 1_200, -0.8))}
    found = Comparison(("<old>", "new"), {"text->image": 50}, rows, fallen, ("one <left> out",))
    report.write_comparison(found, "made", tmp_path / "out.html")
    page = Page((tmp_path / "out.html").read_text("utf-8"))
    assert "against <old> on made" in page.text
    assert after(page, "hit@1")[:8] == [
        "(CLIP's R@1)",
        "10.0",
        "25.0",
        "+15.0",
        "+5.0 to +20.0",
        "0.0002",
        "0.004",
        "mAP",
    ]
    assert [element["class"] for element in page.classed("change")] == ["track change sure", "track change unsure"]
    assert after(page, "a <b> dog")[:5] == ["1", "not found", "id2", "1", "1,200"]
    assert "one <left> out" in page.text
    left = float(re.search(r"left:([\d.]+)%", page.classed("range")[0]["style"])[1])
    assert left == pytest.approx(50 + 50 * 0.05 / 0.2)


def test_nothing_fell(tmp_path):
    row = Difference("text->image", "hit@1", 0.1, 0.1, 0.0, Interval(0.0, 0.0), 1.0, 1.0)
    found = Comparison(("a", "b"), {"text->image": 5}, (row,), {"text->image": ()}, ())
    report.write_comparison(found, "made", Path(tmp_path / "out.html"))
    assert "What got worse" not in (tmp_path / "out.html").read_text("utf-8")
