# The NPU's kernel folders, and nothing else: `docker compose -f compose.yaml -f compose.npu.yaml build kernels`.
# The context `wheels` holds two files: the wheels mlir_aie and llvm_aie that kernels/toolchain/toolchain.py pins.
# Not run with the real wheels: tests build it with programs that stand in for the compilers.

# Built by the program that will load them, so that the kernels are of its version
ARG SERVER=whisperx-npu
FROM scratch AS wheels


# hadolint ignore=DL3006
FROM ${SERVER} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3002
USER 0:0
# g++ compiles the host's model of the kernels, which the self-tests expect the NPU to equal; xclbinutil is XRT's
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-venv \
    && apt-get install -y --no-install-recommends -t trixie-backports libxrt-utils \
    && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,from=wheels,target=/wheels \
    shopt -s failglob \
    && python3 -m venv /opt/toolchain \
    && /opt/toolchain/bin/pip install --no-cache-dir --no-index --no-deps /wheels/mlir_aie-*.whl /wheels/llvm_aie-*.whl \
    && ln -s /opt/toolchain/lib/python3.*/site-packages /opt/wheels
ENV MLIR_AIE_INSTALL_DIR=/opt/wheels/mlir_aie
# other overlays than `kernels build` chooses, for example "mel_80 encoder_int8"
ARG NAMES=""
# hadolint ignore=SC2086
RUN whisperx-npu kernels build --output-dir /kernels ${NAMES}


FROM scratch
COPY --from=build /kernels /
