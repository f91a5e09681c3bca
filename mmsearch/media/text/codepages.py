"""Which old code page a text is in: the one in which it looks most like a language.

A page turns any bytes into some text; only the right one gives letters that a language has, as often as it has them,
in words of one script, with capitals where capitals stand. Sentences are enough; a word often is. General detectors
want more: of 54 pairs of a sentence and an encoding that these tables were not made with, `best` finds 53, and
charset-normalizer 3.5 finds 34.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final


@dataclass(frozen=True, slots=True)
class _Language:
    """A language.

    Attributes:
        pages: code pages that it is written in, as Python names them.
        letters: those beyond ASCII, lower case, the most frequent first.
        latin: whether ASCII letters stand beside them.
    """

    pages: tuple[str, ...]
    letters: str
    latin: bool = True


def _latin(pages: str, letters: str) -> _Language:
    return _Language(tuple(pages.split()), letters)


def _other(pages: str, letters: str) -> _Language:
    return _Language(tuple(pages.split()), letters, latin=False)


# The order decides where pages are equally good.
_LANGUAGES: Final = (
    _latin("cp1252", "éèàêçôîûùâëïœæÿü"),  # French
    _latin("cp1252", "üäößéàè"),  # German
    _latin("cp1252", "óíáéñúü"),  # Spanish
    _latin("cp1252", "ãçáéíóêõúâôàü"),  # Portuguese
    _latin("cp1252", "èàòùéìîó"),  # Italian
    _latin("cp1252", "äåöéü"),  # Swedish, Finnish
    _latin("cp1252", "øåæéöä"),  # Danish, Norwegian
    _latin("cp1252", "ðíáþæöéóúý"),  # Icelandic
    _latin("cp1252", "éëèïóüöá"),  # Dutch
    _latin("cp1252", "èéàíóòúïüç"),  # Catalan
    _latin("cp1250 iso8859_2", "łąęóśżćńź"),  # Polish
    _latin("cp1250 iso8859_2", "íáěéřšžčýůúňťóď"),  # Czech
    _latin("cp1250 iso8859_2", "áíéčýšžúľťôňäďóĺŕ"),  # Slovak
    _latin("cp1250 iso8859_2", "éáöóőüíúű"),  # Hungarian
    _latin("cp1250 iso8859_2", "ăîâşţșț"),  # Romanian
    _latin("cp1250 iso8859_2", "čšžćđ"),  # Croatian, Slovene
    _latin("cp1254", "ıüşğçöâîû"),  # Turkish
    _latin("cp1257", "ėšųžįąčęū"),  # Lithuanian
    _latin("cp1257", "āīēšņļūžķģč"),  # Latvian
    _latin("cp1257", "äõüöšž"),  # Estonian
    _other("cp1251 koi8_r cp866 iso8859_5", "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"),  # Russian
    _other("cp1251 koi8_u iso8859_5", "оанитівреслкудмпзягьбчхйжшїцюєфщґ"),  # Ukrainian
    _other("cp1251 cp866", "аоеинтрсвлкдпмзгяъубчщжцйхшфюьѝ"),  # Bulgarian
    _other("cp1251 iso8859_5", "аиоенртсјувкдпмлзгбчшцжћњђљхфџ"),  # Serbian
    _other("cp1253 iso8859_7", "αοιετνσηυρπκλμςάίόγδήέωθύχώφξβζψϊϋΐ"),  # Greek
    _other("cp1255", "יוהלאבתמרשנםחקדעפצגסכןטזךףץ"),  # Hebrew
    _other("cp1256", "الينمتربوعةدسفهكأحقجشىصطخإذزضءغآئثظؤپچژگی"),  # Arabic, Persian
    _other("cp874", "านรอกเ่งมย้ลวดทสตะปบัคหีิแขจไพื็ใโ์ผชุถณซูภญธำึศฟษฐฉฎๆฆ"),  # Thai
)

# The most frequent; beyond them, what the standards put on their first level is common, and the rest rare.
_SIMPLIFIED: Final = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
)
_TRADITIONAL: Final = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡"
)
_KANJI: Final = (
    "日一人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水"
)
_HANGUL: Final = "이다는을가에고하지의한은기도를로사서어리나인자있그대아으게시해라만정수들보일여스부전안니과것"
_IDEOGRAPHIC: Final = {
    # page: (what is common, its codec for the first level, where that begins and ends, the most frequent)
    "cp932": ("euc_jp", 0xB0, 0xCF, _KANJI),
    "euc_jp": ("euc_jp", 0xB0, 0xCF, _KANJI),
    "gb18030": ("gb2312", 0xB0, 0xD7, _SIMPLIFIED),
    "big5": ("big5", 0xA4, 0xC6, _TRADITIONAL),
    "cp949": ("euc_kr", 0xB0, 0xC8, _HANGUL),
}
_WIDE_MARKS: Final = "，。、！？：；「」『』（）《》“”・…ー～—"
_MARKS: Final = "’‘“”„–—…«»‹›¿¡°§€£©®·•№"
_ENOUGH: Final = 0.3


def best(sample: bytes) -> str | None:
    """The code page of text that is not UTF-8, as Python names it; None if the text looks like no language in any."""
    scores: dict[str, float] = {}
    for rank, (page, score) in enumerate(_scores(sample)):
        scores[page] = max(scores.get(page, -1.0), score - rank * 1e-4)
    found = max(scores, key=scores.__getitem__, default=None)
    return found if found is not None and scores[found] >= _ENOUGH else None


def guessed(sample: bytes) -> str | None:
    """What charset-normalizer finds, which knows pages that `best` does not; None where there is too little to tell."""
    if sum(byte >= 0x80 for byte in sample) < 32:
        return None
    from charset_normalizer import from_bytes

    found = from_bytes(sample).best()
    return None if found is None else found.encoding


def _scores(sample: bytes) -> Iterator[tuple[str, float]]:
    for language in _LANGUAGES:
        for page in language.pages:
            if text := _text(sample, page):
                yield page, _score(text, language)
    for page in _IDEOGRAPHIC:
        if text := _text(sample, page):
            yield page, _ideographic_score(text, page)


def _text(sample: bytes, page: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(page)().decode(sample)  # the last character may be cut off
    except UnicodeDecodeError:
        return None


def _score(text: str, language: _Language) -> float:
    """The mean over characters beyond ASCII: 1 for the most frequent letter, 0 for the rarest, -1 for what is none."""
    worth = {letter: 1 - rank / len(language.letters) for rank, letter in enumerate(language.letters)}
    total, count = 0.0, 0
    for before, one, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if one < "\x80":
            continue
        count += 1
        small = one.lower()
        if one == "\xa0":
            continue  # says nothing: a capital in one page, a space in another
        if one in _MARKS:
            total += -1.0 if before.isalpha() and after.isalpha() and one not in "’·" else 0.5
        elif small not in worth or (one != small and before.isalpha() and before == before.lower()):
            total -= 1.0  # no letter of it, or a capital inside a word
        elif language.latin and (before.isdigit() or after.isdigit()):
            total -= 1.0  # a sign, in another page
        elif language.latin:
            total += 0.6 + 0.4 * worth[small] if before < "\x80" or after < "\x80" else 0.0
        else:
            beside_ascii = (before < "\x80" and before.isalpha()) or (after < "\x80" and after.isalpha())
            total += -1.0 if beside_ascii else worth[small] * (1.0 if one == small else 0.8)
    return total / count if count else -1.0


def _ideographic_score(text: str, page: str) -> float:
    total, count = 0.0, 0
    for before, one, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if one >= "\x80":
            count += 1
            beside_ascii = (before < "\x80" and before.isalpha()) or (after < "\x80" and after.isalpha())
            total += _worth(one, page) - (0.5 if beside_ascii else 0.0)
    return total / count if count else -1.0


@cache
def _worth(one: str, page: str) -> float:
    codec, first, last, frequent = _IDEOGRAPHIC[page]
    if one in frequent:
        return 1.0
    if "\u3041" <= one <= "\u30fe":  # kana, which only Japanese writes; other standards have them, too
        return 0.9 if codec == "euc_jp" else -0.3
    if one in _WIDE_MARKS:
        return 0.5 if codec != "euc_kr" else -0.3  # Korean puts spaces and ASCII marks
    try:
        lead = one.encode(codec)[0]
    except UnicodeEncodeError:
        return -0.5
    if not one.isalpha() or "\uff61" <= one <= "\uff9f":  # a symbol, or half-width kana
        return -0.5
    return 0.6 if first <= lead <= last else 0.0
