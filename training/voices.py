"""The synthetic voices: those for training, and those kept back for tests."""

from __future__ import annotations

from random import Random
from typing import Literal

from training.espeak import Espeak
from training.flite import Flite
from training.utterance import Utterance

Cast = Literal["seen", "unseen"]

ACCENTS: dict[Cast, list[str]] = {
    "seen": ["en-US"] * 6 + ["en"] * 4 + ["en-GB-x-rp"] * 2 + ["en-GB-scotland", "en-029", "en-GB-x-gbcwmd"],
    "unseen": ["en-US", "en-US", "en", "en", "en-GB-x-gbclan", "en-US-nyc"],
}
VARIANTS: dict[Cast, list[str]] = {
    "seen": (
        "Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike "
        "RicishayMax RicishayMax2 RicishayMax3 adam anika announcer belinda benjamin caleb david ed edward edward2 "
        "f1 f2 f3 f4 gustave iven iven2 iven3 john m1 m2 m3 m4 m5 m6 m8 marcelo max michel miguel norbert pablo paul "
        "pedro quincy rob robert sandro shelby steph steph3 travis victor zac"
    ).split(),
    "unseen": "linda m7 f5 steph2 boris".split(),
}
FLITE: dict[Cast, list[str]] = {"seen": ["slt"] * 5 + ["awb"] * 3 + ["kal16"] * 2, "unseen": ["rms"]}
PLAIN_SHARE = 0.25  # share of eSpeak's default voices, without a variant, which visitors try first


class Speakers:
    """The synthesizers eSpeak and Flite, which speak with random voices.

    A cast is a group of voices: those that training hears ("seen"), or those kept back for tests ("unseen").
    """

    def __init__(self) -> None:
        self._espeak = Espeak()
        self._flite = Flite()

    def espeak(self, text: str, rng: Random, cast: Cast = "seen") -> Utterance:
        """Speak ``text`` with eSpeak, in a random voice of the cast, with random tempo and pitch."""
        accent = f"gmw/{rng.choice(ACCENTS[cast])}"  # by its file: a bare language code takes no variant
        plain = cast == "seen" and rng.random() < PLAIN_SHARE
        voice = accent if plain else f"{accent}+{rng.choice(VARIANTS[cast])}"
        return self._espeak.speak(
            text,
            voice,
            rate=rng.choice((175, rng.randint(120, 225))),
            pitch=rng.choice((50, rng.randint(20, 80))),
            pitch_range=rng.choice((50, rng.randint(25, 75))),
        )

    def flite(self, text: str, rng: Random, cast: Cast = "seen") -> Utterance:
        """Speak ``text`` with Flite, in a random voice of the cast, with random tempo; kal16 also varies in pitch."""
        voice = rng.choice(FLITE[cast])
        pitch = float(rng.randint(80, 160)) if voice == "kal16" else None
        return self._flite.speak(text, voice, stretch=rng.uniform(0.8, 1.3), pitch=pitch)
