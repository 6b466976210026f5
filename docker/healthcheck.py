"""Health check of the container: exit with 0 if the server can transcribe, else print the reason and exit with 1."""

import json
import os
import sys
import urllib.error
import urllib.request

SECONDS = 4  # Docker kills the health check after 5

# The environment's proxy is for connections to the outside, not for this one.
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
port = os.environ.get("WHISPERX_NPU_SERVER__PORT") or "9000"
try:
    direct.open(f"http://127.0.0.1:{port}/readyz", timeout=SECONDS).close()
except urllib.error.HTTPError as answer:
    if answer.code != 401:  # 401: the server answers, and auth.open_paths does not include /readyz
        sys.exit(json.load(answer)["error"]["message"])
except OSError as error:
    sys.exit(str(error))
