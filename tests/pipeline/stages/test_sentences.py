"""Sentences of words, in many languages: each case is a text whose sentences are divided by bars."""

from __future__ import annotations

import pytest

from server.pipeline.stages.sentences import sentence_ends
from server.transcript import Word

SENTENCES = [
    # ends
    ("en", "One two. | Three four? | Five!"),
    ("en", 'She said "stop." | Then left…'),
    ("en", '"Really?" he asked. | (He was late.) | He left.'),
    ("en", "He said (and I quote: no.) and left."),
    ("en", "Wait... what? | Well... | I think so."),
    ("en", "no full stop at all"),
    ("en", "so um i think. | yeah. | okay"),
    ("en", "It costs 3.5 dollars. | See www.example.com. | Then go."),
    ("en", "It was in 2014. | Nobody came. | He was 15. | Then he left."),
    ("en", "1. Open the door. | 2. Close it."),
    ("fr", "Quoi ? | « Rien. » | Il part ! | Ah bon ?"),
    ("de", "„Komm her!“ sagte er. | „Nein.“ | Dann ging er."),
    ("es", "¿Qué? | ¡Nada! | Él dijo: «Sí.» | Luego salió."),
    ("ja", "これは本です。 | それは何？ | 「いいえ。」 | はい！"),
    ("zh", "价格是3. 5元。 | 好的。"),
    ("zh", "他说：“好。” | 然后走了。"),
    ("ko", "안녕하세요. | 반갑습니다."),
    ("hi", "यह एक किताब है। | वह घर है। | डॉ. शर्मा आए।"),
    ("ar", "هل أنت هنا؟ | نعم. | شكرا."),
    ("ur", "یہ کتاب ہے۔ | وہ گھر ہے۔"),
    ("hy", "Սա գիրք է։ | Դա տուն է։"),
    ("am", "ይህ መጽሐፍ ነው። | ያ ቤት ነው።"),
    ("my", "ဒါက စာအုပ်ပါ။ | အဲဒါ အိမ်ပါ။"),
    ("km", "នេះជាសៀវភៅ។ | នោះជាផ្ទះ។"),
    ("el", "Πού είσαι; | Εδώ, κ. Παππά."),
    # abbreviations and initials
    ("en", "Mr. Smith met Dr. J. Jones at nine p.m. in St. Ives."),
    ("en", "He works for the U.S. Army. | She lives in the U.S. | The next day she left."),
    ("en", "She has a Ph.D. in physics. | Apple Inc. was founded by Steve Jobs."),
    ("en", "It costs approx. 5 dollars, e.g. this one, i.e. that one. | E.g. Peter came."),
    ("en", "J.K. Rowling and J. R. R. Tolkien wrote, and so did George R.R. Martin."),
    ("en", "We met at 5 p.m. | Then we left at 3 a.m. Eastern."),
    ("en", "It is No. 5. | No. | I said no. | He is taller than I. | She is not."),
    ("en", "They sell apples, pears, etc. | We bought some. | It was Smith et al. who found it."),
    ("en", "Martin Luther King Jr. spoke. | Gen. Lee, Sen. Cruz and Rev. Green came. | It is Bush vs. Gore."),
    ("en", "See Fig. 3 and pp. 4 to 5. | On Jan. 5 we met."),
    ("de", "Das ist z.B. Berlin, z. B. auch Köln, d.h. der Rhein, bzw. Prof. Dr. Müller, ca. 12 Uhr."),
    ("de", "Äpfel, Birnen usw. | Er kam mit Fr. Meier, Nr. 7, u. a. Peter. | Das gilt ggf. Montag."),
    ("fr", "M. Dupont et Mme. Durand, p. ex. M. Le Goff, habitent av. Foch. | Il est né le 1er mai."),
    ("es", "El Sr. García, p.ej. en EE.UU. mañana. | La Dra. López vive en Av. Sol. | Dijo que no."),
    ("es", "Vive en EE. UU. con su familia. | La casa no. | En EE. UU. hay más."),
    (
        "en",
        "The Ph. D. student from Washington, D.C. met Lt. Col. West on Mt. Everest. | It was cold in the U.K. | So?",
    ),
    (
        "de",
        "Im 3. Jh. v. Chr. lebten 2 Mio. Menschen, i. d. R. Bauern, um 18.30 Uhr. | Der e.V. tagt. | Ja.",
    ),
    ("it", "Il sig. Rossi, il dott. Bianchi, ecc. | Poi la Sig.ra Verdi."),
    ("pt", "O Sr. Silva mora na Av. Paulista. | A Dra. Ana chegou."),
    ("nl", "Dat is o.a. Amsterdam, d.w.z. Noord. | Dhr. Jansen en mevr. De Vries kwamen i.p.v. Peter."),
    ("pl", "Np. Warszawa, tzn. prof. Kowalski, ul. Długa. | To jest dr. Nowak."),
    ("ru", "А. С. Пушкин родился в 1799 г. в Москве. | Он писал, т.е. сочинял. | И т. д. | Это ул. Ленина."),
    ("uk", "Це вул. Франка, м. Київ. | Він тут."),
    ("vi", "TS. Nguyễn và TP. Hồ Chí Minh."),
    # ordinals
    ("de", "Das war am 15. Mai. | Die 5. Strafkammer tagt. | Am 3. Oktober ist frei."),
    ("de", "Im 19. Jahrhundert regierte Ludwig XIV. Frankreich, am 5./6. Juni auch."),
    ("de", "Das war 2014. | Deutschland gewann. | Er wurde 15. | Dann ging er."),
    ("da", "Den 5. maj kom han. | Det var d. 3. juni."),
    ("no", "Den 17. mai feirer vi. | Det er den 2. Verdenskrigen."),
    ("fi", "Tänään on 6. joulukuuta. | Se on 2. Maailmansota."),
    ("cs", "Dne 5. května přišel. | Karel IV. Lucemburský byl král. | Např. Praha."),
    ("sk", "Dňa 5. mája prišiel. | Napr. Košice."),
    ("pl", "Było to 5. maja. | 2. Brygada tam była."),
    ("hu", "Az 5. Kerület szép. | Május 15. volt. | Pl. Kovács."),
    ("tr", "Evin 5. Katı güzel. | Bu 2. Dünya Savaşı. | Örn. Ankara."),
    ("hr", "Dana 5. svibnja je došao. | To je 3. Ulica. | Npr. Zagreb."),
    ("sl", "Dne 5. maja je prišel. | To je 2. Svetovna vojna."),
    ("et", "Täna on 24. veebruar. | See on 1. Klass."),
    ("lv", "Šodien ir 18. novembris. | Tas ir 2. Pasaules karš."),
    ("is", "Í dag er 17. júní. | Það er 1. Bekkur."),
    ("en", "He came 5th. | It was Louis XIV. | He was king."),
    ("", "No language is known. | Dr. Who is."),
]


def spoken(text: str, pauses: dict[int, float] | None = None) -> list[Word]:
    """Return the words of a text, with pauses of 0.1 s after them, or as many seconds as ``pauses`` has by index."""
    words, clock = [], 0.0
    for index, word in enumerate(text.split()):
        words.append(Word(word, clock, clock + 0.3))
        clock += 0.3 + (pauses or {}).get(index, 0.1)
    return words


def divided(language: str, words: list[Word]) -> str:
    ends = sentence_ends(words, language)
    starts = [0, *ends]
    return " | ".join(
        " ".join(word.text for word in words[start:end]) for start, end in zip(starts, ends, strict=False)
    )


@pytest.mark.parametrize(("language", "text"), SENTENCES)
def test_sentences(language: str, text: str) -> None:
    assert divided(language, spoken(text.replace("| ", ""))) == text


def test_characters_of_unspaced_languages_are_words() -> None:
    assert divided("ja", spoken("値 段 は 3. 5 で す。 は い。")) == "値 段 は 3. 5 で す。 | は い。"


@pytest.mark.parametrize(("pause", "ends"), [(1.6, [2, 4]), (1.4, [4])])
def test_a_long_pause_ends_a_sentence(pause: float, ends: list[int]) -> None:
    assert sentence_ends(spoken("one two three four", {1: pause}), "en") == ends


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "in the U.S. Peter left."), ("de", "Er wurde 15. Peter ging."), ("en", "at Apple Inc. Steve left.")],
)
def test_a_clear_pause_tells_a_full_stop_from_an_abbreviation(language: str, text: str) -> None:
    assert sentence_ends(spoken(text), language) == [5]
    assert sentence_ends(spoken(text, {2: 1.0}), language) == [3, 5]


def test_a_pause_after_a_title_ends_nothing() -> None:
    assert sentence_ends(spoken("It is Dr. Smith.", {2: 1.0}), "en") == [4]


def test_no_words_have_no_sentence() -> None:
    assert sentence_ends([], "en") == []
