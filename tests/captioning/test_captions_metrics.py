"""The numbers of captions against the official evaluation itself, and the tokeniser against the official one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import unicodedata
from pathlib import Path
from random import Random
from typing import Any
from urllib.error import URLError
from zipfile import BadZipFile

import pytest

from lstmzoo.captioning.data.layouts import read_captions
from lstmzoo.captioning.metrics import meteor
from lstmzoo.captioning.metrics import scores as metrics
from lstmzoo.captioning.metrics.java import has_java
from lstmzoo.captioning.metrics.ptb import tokenize_java, tokenize_python
from lstmzoo.captioning.metrics.scores import METRICS, evaluate, load_results, match_ids
from lstmzoo.captioning.metrics.several import score_several
from lstmzoo.errors import DataError, LstmzooError

needs_java = pytest.mark.skipif(
    not has_java(), reason="no Java here; Debian and Ubuntu: apt-get install default-jre-headless"
)

REFERENCES = {
    7: [
        "A man's dog isn't jumping over the fence.",
        "The brown dog jumps over a fence",
        'A "brown" dog leaps, at last!',
    ],
    3: ["Two children (a boy and a girl) play in the water.", "Children are playing in shallow water ."],
    "x.jpg": ["A woman in a red T-shirt rides her bike on St. James St.", "A cyclist -- in red -- rides up the hill"],
    4: ["Three people sit on a bench and don't talk.", "people on a bench", "Three friends rest"],
    5: ["A cat sleeps.", "a sleeping cat"],
}
HYPOTHESES = {
    7: "a brown dog jumps over a fence",
    3: "two boys play in the water",
    "x.jpg": "A woman in red is riding a bike.",
    4: "a dog is n't on the bench",
    5: "",
}


class _Coco:
    """As much of COCO's API as the official evaluation asks for."""

    def __init__(self, captions: dict[Any, list[str]]) -> None:
        self.imgToAnns = {key: [{"caption": text} for text in texts] for key, texts in captions.items()}

    def getImgIds(self) -> list[Any]:
        return list(self.imgToAnns)


def official(references: dict[Any, list[str]], hypotheses: dict[Any, str], monkeypatch: Any) -> dict[str, float]:
    """The official pipeline as it comes, but for SPICE, which wants a download."""
    from pycocoevalcap import eval as pipeline

    class NoSpice:
        def method(self) -> str:
            return "none"

        def compute_score(self, said: Any, guessed: Any) -> tuple[float, list[float]]:
            return 0.0, []

    monkeypatch.setattr(pipeline, "Spice", NoSpice)
    run = pipeline.COCOEvalCap(_Coco(references), _Coco({key: [text] for key, text in hypotheses.items()}))
    run.evaluate()
    names = ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "METEOR", "ROUGE_L", "CIDEr")
    return {ours: run.eval[theirs] for ours, theirs in zip(METRICS, names, strict=True)}


@pytest.fixture(scope="module")
def scores() -> metrics.Scores:
    """Computed once: METEOR's program takes seconds to start."""
    return evaluate(REFERENCES, HYPOTHESES)


@pytest.mark.slow
@needs_java
def test_equals_the_official_evaluation(scores, monkeypatch):
    assert isinstance(scores, dict)
    assert list(scores) == list(METRICS)
    assert scores == pytest.approx(official(REFERENCES, HYPOTHESES, monkeypatch), abs=1e-6)
    assert scores.tokenizer == "java"


@pytest.mark.slow
@needs_java
def test_equals_the_official_evaluation_on_flickr8k(real_data, monkeypatch):
    """One person's captions against the other four's."""
    if not (real_data / "flickr8k").is_dir():
        pytest.skip(f"no Flickr8k in {real_data}")
    records = read_captions(real_data / "flickr8k").of("val")[:100]
    references = {record.image_id: list(record.captions[1:]) for record in records}
    hypotheses = {record.image_id: record.captions[0] for record in records}
    expected = official(references, hypotheses, monkeypatch)
    assert evaluate(references, hypotheses) == pytest.approx(expected, abs=1e-4)
    del expected["METEOR"]
    assert evaluate(references, hypotheses, tokenizer="python") == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
@needs_java
def test_a_comma_locale_changes_nothing(scores, monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Duser.country=DE")
    assert evaluate(REFERENCES, HYPOTHESES) == scores
    monkeypatch.setattr(meteor, "LOCALE", ())  # it does without our settings
    said = evaluate(REFERENCES, HYPOTHESES).remark
    assert "METEOR's Java program failed: it ended with status 1: Exception in thread" in said
    assert "\tat " not in said


NUMBERS = {1: ["A 1 1/2 year old plays.", "a boy of 1 1/2 years"], 2: ["call (555) 123 4567 now", "a man calls"]}


@pytest.mark.slow
@needs_java
def test_numbers_with_blanks_are_one_word_as_they_are_officially(monkeypatch):
    hypotheses = {1: "a boy is 1 1/2 years old", 2: "a man calls (555) 123 4567"}
    expected = official(NUMBERS, hypotheses, monkeypatch)
    assert evaluate(NUMBERS, hypotheses) == pytest.approx(expected, abs=1e-6)
    del expected["METEOR"]
    assert evaluate(NUMBERS, hypotheses, tokenizer="python") == pytest.approx(expected, abs=1e-6)


@pytest.fixture
def stub_java(tmp_path, monkeypatch):
    """Puts a shell script in Java's place; the real one is $real."""

    def make(script: str) -> None:
        real = shutil.which("java")
        (tmp_path / "java").write_text(f"#!/bin/sh\nreal={real}\n{script}\n")
        (tmp_path / "java").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return make


@pytest.mark.slow
@needs_java
def test_without_meteor_the_other_numbers_are_kept(scores, stub_java):
    stub_java('case "$*" in *meteor*) echo no memory >&2; exit 3;; esac; exec "$real" "$@"')
    left = evaluate(REFERENCES, HYPOTHESES)
    assert left == {name: value for name, value in scores.items() if name != "METEOR"}
    assert left.remark.endswith("METEOR is left out: METEOR's Java program failed: it ended with status 3: no memory.")


def test_without_the_official_tokeniser_ours_is_used(stub_java):
    stub_java('[ "$1" = -version ]')
    left = evaluate(REFERENCES, HYPOTHESES)
    assert left == evaluate(REFERENCES, HYPOTHESES, tokenizer="python")
    assert left.tokenizer == "python"
    assert "The official tokeniser failed: the PTB tokeniser gave 0 lines" in left.remark
    with pytest.raises(LstmzooError, match="gave 0 lines"):
        evaluate(REFERENCES, HYPOTHESES, tokenizer="java")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "message"),
    [("kill -9 $$", "it was killed by SIGKILL"), ("exec sleep 60", "it was ended after 1 s without a result")],
)
def test_how_meteors_program_ended_is_told(stub_java, monkeypatch, end, message):
    monkeypatch.setattr(meteor, "START_SECONDS", 0.0)
    stub_java(f'[ "$1" = -version ] && exit 0; {end}')
    with pytest.raises(LstmzooError, match=f"METEOR.*Java.*{message}$"):
        meteor.meteor({"0": ["a dog"]}, {"0": ["a dog"]})


def test_a_java_that_does_not_run_is_none(stub_java):
    """MacOS has one that only says where to get Java."""
    stub_java("exit 1")
    assert not has_java()
    scores = evaluate(REFERENCES, HYPOTHESES)
    assert scores.tokenizer == "python"
    assert "default-jre-headless" in scores.remark


@pytest.mark.parametrize("tokenize", [pytest.param(tokenize_java, marks=needs_java), tokenize_python])
@pytest.mark.parametrize("end", ["\u2028", "\n", "\x85", "\r\n", "\u2029", "\x0b"])
def test_line_ends_in_captions_shift_nothing(tokenize, end):
    assert tokenize([f" a dog{end} barks{end}", "two cats"]) == ["a dog barks", "two cats"]


def test_without_java_the_others_are_the_same(monkeypatch):
    monkeypatch.setattr(metrics.java.shutil, "which", lambda name: None)
    scores = evaluate(REFERENCES, HYPOTHESES)
    assert list(scores) == [name for name in METRICS if name != "METEOR"]
    assert scores.tokenizer == "python"
    assert "default-jre-headless" in scores.remark
    with pytest.raises(LstmzooError, match="Java"):
        evaluate(REFERENCES, HYPOTHESES, tokenizer="java")


def test_cider_d_of_a_perfect_caption_is_ten():
    references = {number: [f"a {word} sits quietly on the mat"] for number, word in enumerate(("dog", "cat", "hen"))}
    perfect = evaluate(references, {number: texts[0] for number, texts in references.items()}, tokenizer="python")
    assert perfect["CIDEr-D"] == pytest.approx(10)
    assert perfect["BLEU-4"] == pytest.approx(1)
    assert perfect["ROUGE-L"] == pytest.approx(1)


TOUGH = """\
it's, don't, isn't, I'm, we'd, they'll, you've, can't, cannot, gonna, 'tis, rock'n'roll, o'clock, y'all, James's, '90s
Mr. Smith and Mrs. Jones vs. Dr. Who on Main St. in St. Louis.
The U.S. flag at 5 p.m. a man. In the U.S.
$5 and $5.00 50% #1 5,000 3.5 1/2 10:30 3-4 4x4 1st 3D 12:30pm £5 ½ cup
and/or black/white w/ a hat w/o A/C B&W AT&T rock&roll
A man (in red) [sic] {x} "quoted" 'single' ``latex'' “curly” ‘dogs’ bowl’
wait... what?! no!! -- yes - no—yes – ok
red-haired T-shirt x-ray -ing 3-year-old mid-1990s merry-go-round dog's-eye
a 1 1/2 year old, 10 1/2 inch, 2 1/2 x 3 1/2 foot, 1 1/2-year-old, 1½ cup, 1,000 1/2, -1 1/2, 1-1/2
call (555) 123 4567 or (555)123-4567, 555 123 4567, 555-123-4567, +44 20 7946 0958; room (555) is, (12) 345
café naïve Zürich end.Start red,white a;b a:b
#hashtag @home :) ;) <3 www.flickr.com me@x.com
the boy 's dog is n't here ; the dogs' bowl , fish 'n chips .
""".splitlines()


@pytest.mark.slow
@needs_java
def test_python_tokeniser_agrees_on_all_of_flickr8k(real_data):
    """As they are, with blanks around all punctuation, and as people would write them."""
    if not (real_data / "flickr8k").is_dir():
        pytest.skip(f"no Flickr8k in {real_data}")
    captions = [text for record in read_captions(real_data / "flickr8k").records for text in record.captions]
    written = [text.replace(" .", ".").replace(" ,", ",").replace(" '", "'").replace(' "', '"') for text in captions]
    assert len(captions) == 35_000
    assert_as_officially([*captions, *written])


@pytest.mark.parametrize(
    ("references", "hypotheses", "message"),
    [
        ({}, {}, "references"),
        ({1: ["a"], 2: ["b"]}, {1: "a"}, r"^1 .*: 2 \(2 images"),
        ({1: ["a"]}, {1: "a", "x": "b"}, "^1 .*: 'x'"),
        ({1: ["a"], 2: ["b"]}, {"x.jpg": "a"}, r" 1, 2, .*'x\.jpg'"),
        ({1: "a dog"}, {1: "a"}, "list.*'a dog'"),
        ({1: []}, {1: "a"}, "list"),
        ({1: ["a dog", "!"]}, {1: "a dog"}, "image 1 .*'!'"),
        ({1: ["a"]}, {1: ["a"]}, "image 1 .*list"),
    ],
)
def test_what_cannot_be_scored_is_refused(references, hypotheses, message):
    with pytest.raises(LstmzooError, match=message):
        evaluate(references, hypotheses)


def test_results_files(tmp_path: Path):
    path = tmp_path / "captions.json"
    path.write_text(json.dumps([{"image_id": "17", "caption": "a dog"}, {"image_id": "x", "caption": "b"}]))
    results = load_results(path)
    assert results == {"17": "a dog", "x": "b"}
    assert match_ids(results, {17: "z.jpg", "x.jpg": "x.jpg"}) == {17: "a dog", "x.jpg": "b"}


def test_captions_go_by_the_names_of_image_files():
    files = {42: "COCO_val2014_000000000042.jpg", 7: "COCO_val2014_000000000007.jpg", 1: "a.jpg", 2: "a.png"}
    results = {"COCO_val2014_000000000042.jpg": "x", "val2014/COCO_val2014_000000000007": "y", "a.png": "z", "a": "?"}
    assert match_ids(results, files) == {42: "x", 7: "y", 2: "z", "a": "?"}  # which a is meant, nobody knows
    with pytest.raises(DataError, match=r"'42' and 'COCO_val2014_000000000042.jpg' .* 42"):
        match_ids({"42": "one", "COCO_val2014_000000000042.jpg": "another"}, files)
    with pytest.raises(DataError, match=r"'b' and 'b.jpg' .*'b.jpg'"):
        match_ids({"b": "one", "b.jpg": "another"}, {"b.jpg": "b.jpg"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{", "JSON"),
        ("{}", "list.*image_id"),
        ('[{"image_id": 1}]', "entry 0 .*'image_id'.*'caption'"),
        ('[{"image_id": 1, "caption": 2}]', "entry 0: image_id.*caption"),
        ('[{"image_id": 1, "caption": "a"}, {"image_id": 1, "caption": "b"}]', "entry 1: image 1"),
    ],
)
def test_broken_results_are_named(tmp_path: Path, text: str, message: str):
    path = tmp_path / "captions.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_results(path)


def test_no_results_file(tmp_path: Path):
    with pytest.raises(DataError, match=r"nothing\.json"):
        load_results(tmp_path / "nothing.json")


SPECIAL = """\
<unk> dog <end>
a <UNK>s dog<pad><pad> </s> <s>a</s> <|endoftext|> [SEP] startseq
<b>bold</b> <br/> <br /> <a href="x"> <img src='x' alt="y z"> <person_1> <!-- c --> <1> <a, b> <3 a < b > </a b>
a 🐶 runs 👍🏽 ok 👨\u200d👩\u200d👧 🇩🇪 ❤️ ☺️ x🐶y 1🐶2 don🐶't 🐶's
a • b → c ♥ I♥NY ★ ✓ ♪la © ® ™ dog™ 5° 20°C m² x² H₂O ⅓ cup 1⅔ ⅛ 5¢ ¤5 ¥5 US$5 ¿que? «x» „x“
&amp; R&amp;D &lt;b&gt; &quot;x&quot; &#39;s cat&#39;s &nbsp; cat&apos;s &copy; caf&eacute;
a–b 3–4 a—b … dog…cat e‐mail soft\u00adhyphen ―
一只狗在草地上奔跑 犬が走る。 สุนัขวิ่ง 개가 달린다 狗，猫 e\u0301té
dog!cat what?why 3.5cm red,5 ##ing __init__ _x_ :) ;-) :D :/ ^_^ (-_-) a@b @home #dog #x27 don‘t o’clock ’90s
O'Neil cats'red x/y-z 1/2x << >>
""".splitlines()


def assert_as_officially(captions: list[str]) -> None:
    """The words are those of the official tokeniser, which starts slowly and takes all captions at once."""
    triples = zip(captions, tokenize_python(captions), tokenize_java(captions), strict=True)
    assert [triple for triple in triples if triple[1] != triple[2]] == []


@needs_java
def test_python_tokeniser_agrees_with_the_official_one():
    assert_as_officially([*TOUGH, *SPECIAL])


PIECES = """
a A dog dogs man boy's don't it's T-shirt red woman's cats' Frisbee 2 3rd 10 5,000 3.5 1/2 mid-air café Zürich 狗 U.S.
e.g. <unk> <UNK> <end> <start> <pad> <s> </s> <b> </b> <br/> [UNK] &amp; &lt; &quot; &#39; &eacute; 🐶 👍🏽 ❤️ ☺ ♥ ★ →
• © ™ ° ² ½ € $ £ ¢ … – — “ ” ‘ ’ « » #dog @home :) ;-) :D <3 ^_^ http://a.b/c me@x.y % & * + = / | ~ _ ^ # @
. , ! ? ; : - -- ... ( ) ' " !! ?!
"""


@pytest.mark.slow
@needs_java
def test_captions_of_any_such_words_are_tokenised_as_they_are_officially():
    random = Random(5)
    assert_as_officially([" ".join(random.choices(PIECES.split(), k=random.randint(2, 12))) for _ in range(20_000)])


@pytest.mark.slow
@needs_java
def test_every_character_is_a_word_part_of_one_or_nothing_as_it_is_officially():
    """Letters that Unicode has got since the program was written are letters to us, and nothing to it."""
    signs = [chr(code) for code in [*range(33, 0xD800), *range(0xE000, 0x10000), *range(0x1F300, 0x1FB00)]]
    known = [sign for sign in signs if unicodedata.category(sign) not in ("Cn", "Lo", "Ll", "Lu", "Lm", "Nd")]
    assert_as_officially([text.format(sign) for sign in known for text in ("a {} b", "a{}b")])


@needs_java
def test_foreign_captions_have_the_same_words_with_and_without_java(failing):
    """Captions that end in <end> <pad> <unk>, and such with emoji and quotes."""
    for name in ("res_special", "res_odd"):
        captions = load_results(failing / "csv" / f"{name}.json")
        assert_as_officially(list(captions.values()))


def test_special_tokens_in_captions_are_told():
    references = {1: ["a dog"], 2: ["a cat"]}
    remark = evaluate(references, {1: "a dog <end> <pad>", 2: "a cat"}, tokenizer="python").remark
    assert "1 of 2 captions" in remark
    assert "<end>, <pad>" in remark
    assert "tokens" not in evaluate(references, {1: "a <b>dog</b>", 2: "a cat"}, tokenizer="python").remark


def test_what_could_not_be_computed_has_a_gap():
    scores = evaluate({1: ["a dog"]}, {1: "a dog"}, tokenizer="python")
    assert list(scores.with_gaps()) == list(METRICS)
    assert scores.with_gaps()["METEOR"] is None
    assert scores.with_gaps() | {"METEOR": 0.0} == {**scores, "METEOR": 0.0}


@needs_java
@pytest.mark.parametrize(
    "error", [URLError("no network"), BadZipFile("cut short"), subprocess.CalledProcessError(1, "java")]
)
def test_a_spice_that_fails_says_why(monkeypatch, error):
    from pycocoevalcap.spice import spice

    def fail(self: Any) -> None:
        raise error

    monkeypatch.setattr(spice.Spice, "__init__", fail)
    with pytest.raises(LstmzooError, match=r"SPICE.*pycocoevalcap"):
        evaluate({1: ["a dog"]}, {1: "a dog"}, tokenizer="python", spice=True)


def test_results_nested_without_end(tmp_path: Path):
    path = tmp_path / "captions.json"
    for text in ('{"images":' * 100_000, "[" * 100_000):
        path.write_text(text)
        with pytest.raises(DataError, match=r"captions\.json.*JSON"):
            load_results(path)
    path.write_bytes(b'[{"image_id": 1, "caption": "caf\xe9"}]')
    with pytest.raises(DataError, match=r"captions\.json.*JSON"):
        load_results(path)


def test_several_captions_of_an_image() -> None:
    references = {1: ["a dog runs .", "the brown dog is running"], 2: ["two cats", "cats on a mat"], 3: ["a red car"]}
    same, other = {image: [texts[0]] * 2 for image, texts in references.items()}, {
        1: ["a dog runs", "the brown cat sleeps"],
        2: ["a house", "two cats"],
        3: ["a car", "a red car"],
    }  # fmt: skip
    alike, apart = score_several(references, same), score_several(references, other)
    assert alike["div-1"] == pytest.approx(0.5)
    assert alike["div-2"] == pytest.approx((2 / 6 + 1 / 4 + 2 / 6) / 3)
    assert apart["div-1"] == pytest.approx((7 / 7 + 4 / 4 + 3 / 5) / 3)
    assert apart["div-2"] == pytest.approx((5 / 7 + 2 / 4 + 3 / 5) / 3)
    best = {1: "a dog runs", 2: "two cats", 3: "a red car"}  # the official code says the same of the best ones alone
    official = evaluate(references, best, tokenizer="python")["CIDEr-D"]
    assert alike["best CIDEr-D"] == pytest.approx(apart["best CIDEr-D"]) == pytest.approx(official)
