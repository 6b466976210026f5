"""Ends with 0 when the server of this container can transcribe; says why it cannot."""

import json
import os
import sys
import urllib.error
import urllib.request

SECONDS = 4  # docker gives up after 5

# a proxy of the environment is for the way out
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
port = os.environ.get("WHISPERX_NPU_SERVER__PORT") or "9000"
try:
    direct.open(f"http://127.0.0.1:{port}/readyz", timeout=SECONDS).close()
except urllib.error.HTTPError as answer:
    if answer.code != 401:  # it answers, and auth.open_paths lets nobody in here
        sys.exit(json.load(answer)["error"]["message"])
except OSError as error:
    sys.exit(str(error))
