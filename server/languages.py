"""The languages of Whisper's multilingual checkpoints: the codes of their tokens and OpenAI's English names."""

from __future__ import annotations

# fmt: off
NAMES = {
    "en": "english", "zh": "chinese", "de": "german", "es": "spanish", "ru": "russian", "ko": "korean",
    "fr": "french", "ja": "japanese", "pt": "portuguese", "tr": "turkish", "pl": "polish", "ca": "catalan",
    "nl": "dutch", "ar": "arabic", "sv": "swedish", "it": "italian", "id": "indonesian", "hi": "hindi",
    "fi": "finnish", "vi": "vietnamese", "he": "hebrew", "uk": "ukrainian", "el": "greek", "ms": "malay",
    "cs": "czech", "ro": "romanian", "da": "danish", "hu": "hungarian", "ta": "tamil", "no": "norwegian",
    "th": "thai", "ur": "urdu", "hr": "croatian", "bg": "bulgarian", "lt": "lithuanian", "la": "latin", "mi": "maori",
    "ml": "malayalam", "cy": "welsh", "sk": "slovak", "te": "telugu", "fa": "persian", "lv": "latvian",
    "bn": "bengali", "sr": "serbian", "az": "azerbaijani", "sl": "slovenian", "kn": "kannada", "et": "estonian",
    "mk": "macedonian", "br": "breton", "eu": "basque", "is": "icelandic", "hy": "armenian", "ne": "nepali",
    "mn": "mongolian", "bs": "bosnian", "kk": "kazakh", "sq": "albanian", "sw": "swahili", "gl": "galician",
    "mr": "marathi", "pa": "punjabi", "si": "sinhala", "km": "khmer", "sn": "shona", "yo": "yoruba", "so": "somali",
    "af": "afrikaans", "oc": "occitan", "ka": "georgian", "be": "belarusian", "tg": "tajik", "sd": "sindhi",
    "gu": "gujarati", "am": "amharic", "yi": "yiddish", "lo": "lao", "uz": "uzbek", "fo": "faroese",
    "ht": "haitian creole", "ps": "pashto", "tk": "turkmen", "nn": "nynorsk", "mt": "maltese", "sa": "sanskrit",
    "lb": "luxembourgish", "my": "myanmar", "bo": "tibetan", "tl": "tagalog", "mg": "malagasy", "as": "assamese",
    "tt": "tatar", "haw": "hawaiian", "ln": "lingala", "ha": "hausa", "ba": "bashkir", "jw": "javanese",
    "su": "sundanese", "yue": "cantonese",
}
OTHER_NAMES = {
    "burmese": "my", "castilian": "es", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb", "mandarin": "zh",
    "moldavian": "ro", "moldovan": "ro", "panjabi": "pa", "pushto": "ps", "sinhalese": "si", "valencian": "ca",
    "jv": "jw",  # Whisper's token is older than today's code of Javanese
}
# ISO 639-2 codes, terminological and bibliographic, as containers have them.
THREE_LETTERS = {
    "eng": "en", "zho": "zh", "chi": "zh", "cmn": "zh", "deu": "de", "ger": "de", "spa": "es", "rus": "ru", "kor": "ko",
    "fra": "fr", "fre": "fr", "jpn": "ja", "por": "pt", "tur": "tr", "pol": "pl", "cat": "ca", "nld": "nl", "dut": "nl",
    "ara": "ar", "swe": "sv", "ita": "it", "ind": "id", "hin": "hi", "fin": "fi", "vie": "vi", "heb": "he", "ukr": "uk",
    "ell": "el", "gre": "el", "msa": "ms", "may": "ms", "ces": "cs", "cze": "cs", "ron": "ro", "rum": "ro", "dan": "da",
    "hun": "hu", "tam": "ta", "nor": "no", "nob": "no", "nb": "no", "tha": "th", "urd": "ur", "hrv": "hr", "bul": "bg",
    "lit": "lt", "lat": "la", "mri": "mi", "mao": "mi", "mal": "ml", "cym": "cy", "wel": "cy", "slk": "sk", "slo": "sk",
    "tel": "te", "fas": "fa", "per": "fa", "lav": "lv", "ben": "bn", "srp": "sr", "aze": "az", "slv": "sl", "kan": "kn",
    "est": "et", "mkd": "mk", "mac": "mk", "bre": "br", "eus": "eu", "baq": "eu", "isl": "is", "ice": "is", "hye": "hy",
    "arm": "hy", "nep": "ne", "mon": "mn", "bos": "bs", "kaz": "kk", "sqi": "sq", "alb": "sq", "swa": "sw", "glg": "gl",
    "mar": "mr", "pan": "pa", "sin": "si", "khm": "km", "sna": "sn", "yor": "yo", "som": "so", "afr": "af", "oci": "oc",
    "kat": "ka", "geo": "ka", "bel": "be", "tgk": "tg", "snd": "sd", "guj": "gu", "amh": "am", "yid": "yi", "lao": "lo",
    "uzb": "uz", "fao": "fo", "hat": "ht", "pus": "ps", "tuk": "tk", "nno": "nn", "mlt": "mt", "san": "sa", "ltz": "lb",
    "mya": "my", "bur": "my", "bod": "bo", "tib": "bo", "tgl": "tl", "fil": "tl", "mlg": "mg", "asm": "as", "tat": "tt",
    "lin": "ln", "hau": "ha", "bak": "ba", "jav": "jw", "sun": "su",
}
# fmt: on
CODES = {name: code for code, name in NAMES.items()} | OTHER_NAMES


def language_code(language: str) -> str:
    """Return Whisper's code for a code or an English name; upper and lower case do not matter.

        language_code("German")    # "de"

    Raises ValueError if Whisper does not know the language.
    """
    wanted = language.strip().lower()
    if wanted in NAMES:
        return wanted
    if wanted in CODES:
        return CODES[wanted]
    raise ValueError("is no language of Whisper; use an ISO 639-1 code such as 'en', or an English name")


def tag_language(tag: str) -> str:
    """Return Whisper's code for a language tag of a container; an unknown tag is returned in lower case.

    tag_language("ger") == tag_language("de-AT") == "de"
    """
    first = tag.strip().lower().replace("_", "-")
    base = first.partition("-")[0]
    return base if base in NAMES else THREE_LETTERS.get(base) or CODES.get(first, first)


def language_name(code: str) -> str:
    """Return OpenAI's lower-case English name of a code; an unknown code is returned as it is."""
    return NAMES.get(code, code)
