"""`docker compose up` on any PC: it serves on the CPU, locked down, and keeps its data."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import httpx2
import openai
import pytest

from tests.containers.docker import IMAGE, ROOT, Docker, Project, project

SAMPLE = ROOT / "models" / "demo" / "sample.wav"
WORDS = "Please set a timer for 25 minutes."
PLACE = "/usr/local/share/whisperx-npu/models/Systran--faster-whisper-base"  # in the image
PUBLISHED = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"  # SHA-256 of its model.bin at the hub
ASK = """
import json, urllib.request
sample = open("/opt/whisperx-npu/models/demo/sample.wav", "rb").read()
with urllib.request.urlopen("http://127.0.0.1:9000/transcribe", sample) as answer:
    print(answer.read().decode())
"""

pytestmark = pytest.mark.containers


def test_it_answers_the_readmes_curl_line(server: Project) -> None:
    answer = httpx2.post(f"{server.url}/transcribe", files={"file": SAMPLE.read_bytes()}, timeout=60).json()
    assert (answer["model"], answer["demo"]) == ("base", False)
    assert WORDS in answer["text"]
    assert {stage["device"] for stage in answer["stages"]} == {"cpu"}


def test_its_model_is_the_published_one_and_no_volume_hides_it(server: Project) -> None:
    assert server.run_in("sha256sum", f"{PLACE}/model.bin").split()[0] == PUBLISHED
    assert server.run_in("ls", "/models").split() == []
    assert server.run_in("whisperx-npu", "models", "list").splitlines()[1].startswith("*  base ")


def test_without_any_network_it_serves_its_model(docker: Docker, image: str, tmp_path: Path) -> None:
    alone = tmp_path / "alone.yaml"
    alone.write_text("services: {server: {network_mode: none, ports: !reset []}}\n")
    with project(docker, tmp_path, str(alone)) as served:
        served.up()
        answer = json.loads(served.run_in("python", "-c", ASK))
        assert answer["model"] == "base"
        assert WORDS in answer["text"]


def test_openais_client(server: Project) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
    with SAMPLE.open("rb") as file:
        answer = client.audio.transcriptions.create(model="whisper-1", file=file, response_format="verbose_json")
    assert WORDS in answer.text


def test_it_says_why_no_npu_serves(server: Project) -> None:
    stages = {stage["stage"]: stage for stage in server.status()["stages"]}
    assert stages["mel"]["device"] == stages["encoder"]["device"] == "cpu"
    assert "there is no /dev/accel/accel0" in stages["encoder"]["reason"]


def test_the_real_pyxrt_is_there_and_finds_no_device(server: Project) -> None:
    look = "import pyxrt; print(pyxrt.__file__, pyxrt.enumerate_devices())"
    assert server.run_in("python", "-c", look).split() == [
        "/usr/lib/python3/dist-packages/pyxrt.cpython-313-x86_64-linux-gnu.so",
        "0",
    ]


def test_doctor_finds_nothing_fatal(server: Project) -> None:
    report = json.loads(server.run_in("whisperx-npu", "doctor", "--json"))
    assert report["can_serve"]
    checks = {check["name"]: check for check in report["checks"]}
    assert checks["python"]["detail"].startswith("3.13.")
    assert checks["pyxrt"]["state"] == "ok"


def test_a_user_without_rights(server: Project) -> None:
    assert server.run_in("id", "-u").strip() == server.run_in("id", "-g").strip() == "10001"
    of_init = server.run_in("cat", "/proc/1/status")
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert f"{kind}:\t0000000000000000" in of_init
    assert "NoNewPrivs:\t1" in of_init


def test_only_the_volumes_can_be_written(server: Project) -> None:
    writable = ["/data", "/models", "/tmp"]  # noqa: S108  in the container, in memory
    folders = " ".join(["/", "/etc", "/opt/whisperx-npu", "/usr/local", *writable])
    attempt = f'for d in {folders}; do touch "$d/x" 2> /dev/null && echo "$d"; done; true'
    assert server.run_in("sh", "-c", attempt).split() == writable


def test_it_is_published_on_this_machine_only(server: Project) -> None:
    (binding,) = server.inspected()["NetworkSettings"]["Ports"]["9000/tcp"]
    assert binding == {"HostIp": "127.0.0.1", "HostPort": str(server.port)}


def test_no_cuda_and_no_pytorch(server: Project) -> None:
    installed = server.run_in("/usr/bin/find", "/opt/venv/lib/python3.13/site-packages", "-maxdepth", "1")
    assert "ctranslate2" in installed
    assert "nvidia" not in installed
    assert "torch" not in installed


def test_what_needs_pytorch_is_refused_with_the_cure(server: Project) -> None:
    answer = httpx2.post(
        f"{server.url}/transcribe", files={"file": SAMPLE.read_bytes()}, data={"align": "whisperx"}, timeout=60
    )
    assert answer.status_code in (400, 422, 503)
    assert "docs/install.md" in answer.json()["error"]["message"]


def test_the_program_is_the_last_and_smallest_layer(docker: Docker, image: str) -> None:
    """So that a change of the code rebuilds in seconds, and little is to be pushed."""
    lines = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", IMAGE).splitlines()
    sizes = {line.split(" ", 1)[1]: int(line.split(" ", 1)[0]) for line in lines}
    copied = [(text, size) for text, size in sizes.items() if size > 0]
    assert "/opt/whisperx-npu" in copied[0][0]
    assert copied[0][1] < 30e6


def test_stopped_it_answers_what_is_under_way_and_started_again_it_has_its_data(
    docker: Docker, image: str, tmp_path: Path
) -> None:
    with project(docker, tmp_path) as served:
        served.up()
        served.run_in("sh", "-c", "echo kept > /models/mine; echo kept > /data/mine")
        answers: list[int] = []

        def ask() -> None:
            answers.append(
                httpx2.post(f"{served.url}/transcribe", files={"file": SAMPLE.read_bytes()}, timeout=60).status_code
            )

        asking = threading.Thread(target=ask)
        asking.start()
        while served.status()["queue"]["running"] == 0 and asking.is_alive():
            time.sleep(0.01)
        served.compose("stop")
        asking.join()
        state = served.inspected()["State"]
        assert (answers, state["ExitCode"], state["OOMKilled"]) == ([200], 0, False)
        served.up()
        assert served.run_in("cat", "/models/mine", "/data/mine").split() == ["kept", "kept"]
        served.compose("up", "--detach", "--no-build", "--wait", "--force-recreate")
        assert served.run_in("cat", "/models/mine", "/data/mine").split() == ["kept", "kept"]


def test_killed_it_comes_again_by_itself(docker: Docker, image: str, tmp_path: Path) -> None:
    """tini is process 1: it reaps what the server leaves, and its end is the container's end."""
    with project(docker, tmp_path) as served:
        served.up()
        assert served.run_in("cat", "/proc/1/comm").strip() == "tini"
        began = served.inspected()["State"]["StartedAt"]
        (server,) = served.run_in("cat", "/proc/1/task/1/children").split()
        served.compose("exec", "-T", "server", "sh", "-c", f"kill -9 {server}", check=False)
        end = time.monotonic() + 60
        while served.inspected()["State"]["StartedAt"] == began:
            assert time.monotonic() < end
            time.sleep(0.2)
        served.up()
        assert served.status()["state"] == "ready"


def test_settings_limits_and_keys_of_a_users_env(docker: Docker, image: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("laptop: 0123456789abcdef0123\n")
    keys.chmod(0o444)
    wanted = {
        "API_KEYS_FILE": str(keys),
        "WHISPERX_NPU_AUTH__OPEN_PATHS": "[]",
        "CPUS": "1",
        "MEMORY": "2g",
        "WHISPERX_NPU_DECODE__TEMPERATURES": "[0.0]",
        "WHISPERX_NPU_LOG__FORMAT": "json",
        "WHISPERX_NPU_VAD__THRESHOLD": "0.4",
    }
    with project(docker, tmp_path, **wanted) as served:
        served.up()
        assert httpx2.get(f"{served.url}/v1/models").status_code == 401
        known = {"Authorization": "Bearer 0123456789abcdef0123"}
        assert httpx2.get(f"{served.url}/v1/models", headers=known).status_code == 200
        doctor = json.loads(served.run_in("whisperx-npu", "doctor", "--json"))
        details = {check["name"]: check["detail"] for check in doctor["checks"]}
        assert details["cpu"].startswith("1 of ")
        assert details["memory"].startswith("2.1 GB")
        assert all(json.loads(line) for line in served.log().splitlines() if line.startswith("{"))


def test_a_typing_error_in_env_stops_it_with_the_name(docker: Docker, image: str, tmp_path: Path) -> None:
    with project(docker, tmp_path, WHISPERX_NPU_VAD__TRESHOLD="0.4") as served:
        served.up(healthy=False)
        assert "WHISPERX_NPU_VAD__TRESHOLD is no setting" in served.waited_for("TRESHOLD")


def test_a_config_file_of_ones_own(docker: Docker, image: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("server: {max_upload_mb: 3}\n")
    volume = f"{config}:/etc/whisperx-npu/config.yaml:ro"
    run = docker("run", "--rm", "--read-only", "--volume", volume, IMAGE, "doctor", "--json")
    assert json.loads(run)["can_serve"]
    config.write_text("server: {max_upload: 3}\n")
    refused = docker.tried("run", "--rm", "--volume", volume, IMAGE, "doctor")
    assert refused.returncode == 2
    assert "server.max_upload" in refused.stderr


def test_every_line_of_the_example_works_as_it_is(docker: Docker, image: str, tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    taken = (line.removeprefix("#").partition("=") for line in lines if line.startswith("#WHISPERX_NPU_"))
    with project(docker, tmp_path, **{name: value for name, _, value in taken}) as served:
        served.up()
        assert served.status()["state"] == "ready"


def test_a_full_disk_refuses_the_upload_and_nothing_else(docker: Docker, image: str, tmp_path: Path) -> None:
    small = tmp_path / "small.yaml"
    small.write_text("services: {server: {tmpfs: ['/data/tmp:size=8m,uid=10001']}}\n")
    with project(docker, tmp_path, str(small)) as served:
        served.up()
        refused = httpx2.post(f"{served.url}/transcribe", files={"file": bytes(20_000_000)}, timeout=60)
        assert (refused.status_code, refused.json()["error"]["code"]) == (507, "storage_full")
        assert "/data/tmp" in refused.json()["error"]["message"]
        answer = httpx2.post(f"{served.url}/transcribe", files={"file": SAMPLE.read_bytes()}, timeout=60)
        assert WORDS in answer.json()["text"]


def test_a_checkpoint_of_ones_own_in_the_volume(docker: Docker, image: str, tmp_path: Path) -> None:
    with project(docker, tmp_path) as served:
        served.up()
        served.compose("cp", str(ROOT / "models" / "demo"), "server:/models/my-whisper")
        served.settings["WHISPERX_NPU_MODEL__NAME"] = "/models/my-whisper"
        served.up()
        assert served.status()["default_model"] == "my-whisper"
