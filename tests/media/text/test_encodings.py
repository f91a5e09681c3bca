import codecs
import io
import random

import pytest

from mmsearch.errors import MediaError
from mmsearch.media.text import encodings
from mmsearch.media.text.encodings import decoded

SENTENCES = [
    ("The café was “naïve” — he said it’s 5 €.", "cp1252"),
    ("L’élève a déjà mangé ; où êtes-vous allés cet été ?", "cp1252"),
    ("Die Vögel fliegen über die Straße, größer als Häuser.", "cp1252 latin-1"),
    ("El niño comió una manzana; ¿dónde está mañana el camión?", "cp1252"),
    ("A menina não gostou da canção; o coração dói.", "cp1252"),
    ("Perché non è più così? La città è già lontana.", "cp1252"),
    ("Flickan åkte på sjön och såg en björn på ön.", "cp1252"),
    ("Hun spiste rødgrød på en blå ø i går.", "cp1252"),
    ("Það er köttur á þakinu og hann vill ekki niður.", "cp1252"),
    ("Zażółć gęślą jaźń. Kot śpi na oknie, a pies szczeka.", "cp1250 iso8859_2"),
    ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "cp1250 iso8859_2"),
    ("Árvíztűrő tükörfúrógép. A macska az ablakban alszik.", "cp1250 iso8859_2"),
    ("Kedi pencerede uyuyor, köpek bahçede havlıyor; şöyle güzel çiğdem.", "cp1254"),
    ("Katė miega ant palangės, o šuo loja kieme, ąžuolas žydi.", "cp1257"),
    ("Кошка спит на подоконнике, а собака лает во дворе.", "cp1251 koi8_r cp866 iso8859_5"),
    ("Зима в этом году пришла рано.", "cp1251 koi8_r cp866"),
    ("Він сидів біля вікна і дивився, як падає сніг.", "cp1251 koi8_u"),
    ("Котката спи на прозореца, а кучето лае на улицата.", "cp1251"),
    ("Η γάτα κοιμάται στο παράθυρο και ο σκύλος γαβγίζει.", "cp1253 iso8859_7"),
    ("החתול ישן על אדן החלון והכלב נובח ברחוב.", "cp1255"),
    ("القطة تنام على حافة النافذة والكلب ينبح في الشارع.", "cp1256"),
    ("แมวนอนหลับอยู่ที่หน้าต่าง", "cp874"),
    ("吾輩は猫である。名前はまだ無い。", "cp932 euc_jp iso2022_jp"),
    ("明日の天気は晴れのち曇りでしょう。", "cp932 euc_jp iso2022_jp"),
    ("고양이가 창가에서 자고 있다. 개는 마당에서 짖는다.", "cp949 euc_kr"),
    ("내일은 비가 올 것 같습니다.", "cp949"),
    ("一只猫在窗台上睡觉，狗在院子里叫。", "gb18030"),
    ("明天的天气会很好，我们去爬山吧。", "gb18030"),
    ("一隻貓在窗台上睡覺，狗在院子裡叫。", "big5"),
    ("明天的天氣會很好，我們去爬山吧。", "big5"),
    ("Жили-были дед да баба.", "utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32"),
    ("一只猫在窗台上睡觉。\n狗在院子里叫。", "utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32"),
]


# Sentences that the tables in `codepages` were not made with.
UNSEEN = [
    ("В начале было Слово, и Слово было у Бога.", "cp1251 koi8_r cp866 iso8859_5"),
    ("Всі люди народжуються вільними і рівними у своїй гідності та правах.", "cp1251 koi8_u"),
    ("Сва људска бића рађају се слободна и једнака у достојанству и правима.", "cp1251 iso8859_5"),
    ("Tous les êtres humains naissent libres et égaux en dignité et en droits.", "cp1252"),
    ("Alle Menschen sind frei und gleich an Würde und Rechten geboren.", "cp1252"),
    ("Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Não há razão.", "cp1252"),
    ("Alla människor är födda fria och lika i värde och rättigheter.", "cp1252"),
    ("Hver maður er borinn frjáls og jafn öðrum að virðingu og réttindum.", "cp1252"),
    ("Price £20 or ¥300 ± 5", "cp1252"),
    ("Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.", "cp1250 iso8859_2"),
    ("Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.", "cp1250 iso8859_2"),
    ("Minden emberi lény szabadon születik és egyenlő méltósága és joga van.", "cp1250 iso8859_2"),
    ("Toate fiinţele umane se nasc libere şi egale în demnitate şi în drepturi.", "cp1250 iso8859_2"),
    ("Sva ljudska bića rađaju se slobodna i jednaka. Čovjek više želi.", "cp1250 iso8859_2"),
    ("Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.", "cp1254"),
    ("Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis.", "cp1257"),
    ("Visi cilvēki piedzimst brīvi un vienlīdzīgi savā pašcieņā un tiesībās.", "cp1257"),
    ("Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.", "cp1253 iso8859_7"),
    ("כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.", "cp1255"),
    ("يولد جميع الناس أحراراً متساوين في الكرامة والحقوق.", "cp1256"),
    ("มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ", "cp874"),
    ("すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。", "cp932 euc_jp"),
    ("모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.", "cp949"),
    ("人人生而自由,在尊严和权利上一律平等。", "gb18030"),
    ("人人生而自由,在尊嚴和權利上一律平等。", "big5"),
]


@pytest.mark.parametrize(
    ("text", "encoding"), [(text, one) for text, names in SENTENCES + UNSEEN for one in names.split()]
)
def test_a_sentence_is_enough(text, encoding):
    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("café", "cp1252"),
        ("12 °C, 5 €", "cp1252"),
        ("Don’t stop", "cp1252"),
        ("© 2024 Müller", "cp1252"),
        ("Łódź", "cp1250"),
        ("Привет", "cp1251"),
        ("Привет", "koi8_r"),
        ("猫", "cp932"),
        ("你好", "gb18030"),
        ("안녕", "cp949"),
    ],
)
def test_a_word_often_is(text, encoding):
    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "cp932", "gb18030"])
def test_what_is_not_ascii_may_come_late_and_in_one_line(encoding):
    word = {"cp1252": "größer", "cp1251": "собака лает", "cp932": "吾輩は猫である", "gb18030": "我们去公园散步"}[
        encoding
    ]
    for filler in ("All ASCII here.\n", "no line end "):
        text = filler * 20_000 + word + " " + filler * 10
        assert decoded(text.encode(encoding)) == text


def test_utf_8_with_little_damage_stays_utf_8():
    text = "Жили-были дед да баба " * 20 + "жили"
    assert decoded(text.encode() + b"\xff\xfe") == text + "\ufffd\ufffd"
    assert decoded(text.encode()[:-1]) == text[:-1] + "\ufffd"  # cut off inside a character


def test_line_ends_and_controls_of_text_stay():
    assert decoded(b"a\r\nb\rc\fd\x1b[0m\xe9") == "a\r\nb\rc\fd\x1b[0mé"


def noise(n, seed=0):
    return random.Random(seed).randbytes(n)


@pytest.mark.parametrize(
    "content",
    [
        noise(10_000),
        bytes(range(1, 256)) * 9,
        b"abc\0def",
        b"abc\0",
        b"A sentence that ends with one NUL.\n\0",
        b"\0" * 100,
        b"".join(n.to_bytes(2, "little") for n in range(200)),
        noise(3000)[::3] + b"\0\0",
    ],
)
def test_noise_is_no_text(content):
    with pytest.raises(MediaError, match="^not text: binary content$"):
        decoded(content)


def test_a_mark_that_lies():
    with pytest.raises(MediaError, match="begins with the mark of utf-16 and is not: "):
        decoded(codecs.BOM_UTF16_LE + b"a")


def test_a_stream_of_utf_8_is_decoded_while_it_is_read():
    class Counted(io.BytesIO):
        taken = 0

        def read1(self, size=-1):
            content = super().read1(size)
            self.taken += len(content)
            return content

    file = Counted(codecs.BOM_UTF8 + "é,1\r\n".encode() * 10**6)
    with encodings.stream(file) as lines:
        assert lines.readline() == "é,1\r\n"
        assert file.taken < 100_000


@pytest.mark.parametrize("late", ["Größe", "собака лает во дворе"])
def test_a_stream_that_is_not_utf_8_to_its_end_is_decoded_at_once(late, monkeypatch):
    encoding = "cp1252" if late == "Größe" else "cp1251"
    content = b"line\n" * 10**6 + late.encode(encoding)
    with encodings.stream(io.BytesIO(content)) as lines:
        assert list(lines)[-1] == late
    monkeypatch.setattr(encodings, "MAX_BYTES", 1 << 20)
    with pytest.raises(MediaError, match="larger than 1 MiB"):
        encodings.stream(io.BytesIO(content))


def test_big_files_are_sampled():
    text = "Кошка спит на подоконнике.\n" * 300_000
    assert decoded(text.encode("cp1251")) == text
