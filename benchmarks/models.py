"""Models in TensorFlow's formats: what TensorFlow, OpenVINO and LiteRT make of them, and what comes of
damaged ones.

    python benchmarks/models.py formats --python THEIRS [--frames 64] [--only TEXT] [-o FILE]
    python benchmarks/models.py damage [--count 10000] [--first K] [-o FILE]

THEIRS is the Python of an environment of its own: tensorflow-cpu 2.21, openvino 2026.4, ai-edge-litert
2.3. `formats` writes frozen graph and checkpoint of every network with every mix of sensors and every
kind of actions, weights by chance (those of the actions made 100 times larger, so that a policy is as
decided as a trained one), frames by chance: pictures whose pixels are any byte, which no camera makes.
A checkpoint that TensorFlow's own saver wrote of the same tensors is read back here.

`damage` reads mutated archives, graphs and checkpoints, each by a number that makes it again; its
process may have no more than LIMIT_MB of address space beyond what it has once all is imported.
"""

from __future__ import annotations

import argparse
import json
import resource
import runpy
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from racer.errors import UsageError
from racer.training.interop.model_archive import pack_files
from racer.training.interop.model_importer import read_model
from racer.training.networks import policy_head
from racer.training.tensorflow import (
    DEEPRACER_NETWORKS,
    fresh_critics,
    input_name,
    output_name,
    policy_graph,
    policy_network,
    policy_state,
    policy_tensors,
    read_checkpoint,
    value_tensors,
    write_checkpoint,
    write_graph,
)
from racer.vehicle import metadata_as_json

TESTS = Path(__file__).resolve().parents[1] / "tests" / "training"
MAKERS = runpy.run_path(str(TESTS / "tensorflow" / "conftest.py"))
MIXES = (
    "FRONT_FACING_CAMERA",
    "STEREO_CAMERAS",
    "FRONT_FACING_CAMERA,SECTOR_LIDAR",
    "STEREO_CAMERAS,LIDAR",
)
KINDS = ("discrete", "continuous", "sac")
DECIDED = 100.0
PREFIX = "0_Step-0.ckpt"
LIMIT_MB = 500
CONSUMERS = ("tensorflow", "openvino_f32", "openvino_bf16", "tflite_fp16")


def main() -> None:
    """Say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    formats = commands.add_parser("formats")
    formats.add_argument("--python", required=True)
    formats.add_argument("--frames", type=int, default=64)
    formats.add_argument("--only", default="")
    damage = commands.add_parser("damage")
    damage.add_argument("--count", type=int, default=10_000)
    damage.add_argument("--first", type=int, default=0)
    for command in (formats, damage):
        command.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    is_good = _formats(options) if options.command == "formats" else _damage(options)
    sys.exit(0 if is_good else 1)


def _say(line: str, output: Path | None) -> None:
    print(line, flush=True)
    if output is not None:
        with output.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _formats(options: argparse.Namespace) -> bool:
    theirs = subprocess.Popen(
        [options.python, str(Path(__file__).with_name("models_theirs.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert theirs.stdin is not None
    assert theirs.stdout is not None
    versions = json.loads(theirs.stdout.readline())
    _say("  ".join(f"{name} {text}" for name, text in versions.items()), options.output)
    _say(
        f"greatest difference to PyTorch on {options.frames} frames, and frames of the same action; "
        "checkpoint: read by TensorFlow, and TensorFlow's read here, equal to the last bit",
        options.output,
    )
    is_good = True
    for network in DEEPRACER_NETWORKS:
        for sensors in MIXES:
            for kind in KINDS:
                name = f"{network} {sensors} {kind}"
                if options.only not in name:
                    continue
                with tempfile.TemporaryDirectory() as place:
                    metadata, state = _write_case(
                        Path(place), sensors, network, kind, options.frames
                    )
                    theirs.stdin.write(place + "\n")
                    theirs.stdin.flush()
                    line = theirs.stdout.readline()
                    if not line:
                        _say(f"{name}: THEIRS ended", options.output)
                        return False
                    answer = json.loads(line)
                    is_back = _is_read_back(Path(place), metadata, state)
                is_case_good = (
                    answer["checkpoint_equal"]
                    and is_back
                    and answer["tensorflow"]["difference"] <= 1e-5
                    and all(answer[one]["same"] == options.frames for one in CONSUMERS)
                )
                is_good &= is_case_good
                parts = [
                    f"{one} {answer[one]['difference']:.1e} {answer[one]['same']}"
                    for one in CONSUMERS
                ]
                words = {True: "equal", False: "DIFFERENT"}
                parts.append(f"checkpoint {words[answer['checkpoint_equal']]} {words[is_back]}")
                _say(
                    f"{'ok ' if is_case_good else 'NOT'} {name}: {', '.join(parts)}", options.output
                )
    theirs.stdin.close()
    theirs.wait()
    return is_good


def _write_case(
    folder: Path, sensors: str, network: str, kind: str, frames: int
) -> tuple[Any, dict[str, torch.Tensor]]:
    metadata = MAKERS["metadata_of"](sensors, network, kind)
    policy = MAKERS["fresh_policy"](metadata)
    if kind != "sac":
        with torch.no_grad():
            policy.action_net.weight *= DECIDED
    observation, inputs = MAKERS["some_observations"](metadata, frames)
    with torch.no_grad():
        answer = policy_head(policy, observation)
        if kind == "discrete":
            answer = torch.softmax(answer, dim=1)
    state = policy.state_dict()
    tensors = policy_tensors(state, metadata)
    graph = write_graph(policy_graph(tensors, metadata))
    tensors |= fresh_critics(metadata) if kind == "sac" else value_tensors(state, metadata)
    index, data = write_checkpoint(tensors)
    (folder / "model.pb").write_bytes(graph)
    (folder / f"{PREFIX}.index").write_bytes(index)
    (folder / f"{PREFIX}.data-00000-of-00001").write_bytes(data)
    np.savez(
        folder / "tensors.npz", **{name.replace("/", "|"): one for name, one in tensors.items()}
    )
    named = list(inputs)
    np.savez(
        folder / "frames.npz",
        answer=answer.numpy(),
        **{f"x{k}": inputs[name] for k, name in enumerate(named)},
    )
    subnetwork = policy_network(metadata)
    assert {input_name(subnetwork, one.sensor) for one in subnetwork.embedders} == set(named)
    case = {"inputs": named, "output": output_name(subnetwork), "kind": kind}
    (folder / "case.json").write_text(json.dumps(case))
    return metadata, state


def _is_read_back(folder: Path, metadata: Any, state: dict[str, torch.Tensor]) -> bool:
    """Whether what TensorFlow's own saver wrote is read here as the same weights."""
    index = (folder / "theirs.ckpt.index").read_bytes()
    data = (folder / "theirs.ckpt.data-00000-of-00001").read_bytes()
    back = policy_state(read_checkpoint(index, data, "theirs"), metadata, "theirs")
    return all(torch.equal(weights, state[name]) for name, weights in back.items())


def _damage(options: argparse.Namespace) -> bool:
    mutate = runpy.run_path(str(TESTS / "interop" / "test_models.py"))["mutate"]
    metadata = MAKERS["metadata_of"]("FRONT_FACING_CAMERA", DEEPRACER_NETWORKS[2], "discrete")
    tensors = policy_tensors(MAKERS["fresh_policy"](metadata).state_dict(), metadata)
    graph = write_graph(policy_graph(tensors, metadata))
    index, data = write_checkpoint(tensors)
    sheet = json.dumps(metadata_as_json(metadata)).encode()
    archive = pack_files({"agent/model.pb": graph, "model_metadata.json": sheet})
    outcomes: Counter[str] = Counter()
    tracebacks = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        whole = {
            "car/model.tar.gz": archive,
            "graph/model.pb": graph,
            "graph/model_metadata.json": sheet,
            f"checkpoint/model/{PREFIX}.index": index,
            f"checkpoint/model/{PREFIX}.data-00000-of-00001": data,
            "checkpoint/model/model_metadata.json": sheet,
        }
        for name, content in whole.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        for path in ("car/model.tar.gz", "graph", "checkpoint"):  # all is imported now
            read_model(root / path)
        names = list(whole)
        before = sorted(root.rglob("*"))
        size = _address_space_kb() * 1024
        resource.setrlimit(resource.RLIMIT_AS, (size + (LIMIT_MB << 20),) * 2)
        start_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        slowest = 0.0
        for number in range(options.first, options.first + options.count):
            generator = np.random.default_rng(number)
            name = names[number % len(names)]
            (root / name).write_bytes(mutate(whole[name], generator))
            path = root / (name if name.startswith("car") else name.partition("/")[0])
            since = time.process_time()
            try:
                read_model(path)
                outcomes["still a model"] += 1
            except UsageError as error:
                is_one = str(error).isprintable()
                outcomes["one sentence" if is_one else "NO SENTENCE"] += 1
            except BaseException:
                outcomes["TRACEBACK"] += 1
                tracebacks.append(f"{number} {name}\n{traceback.format_exc()}")
            slowest = max(slowest, time.process_time() - since)
            (root / name).write_bytes(whole[name])
        is_clean = sorted(root.rglob("*")) == before
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start_kb) / 1024
    seconds = time.process_time() - started
    _say(
        f"{options.count:,} damaged files from {options.first}: "
        + ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common()),
        options.output,
    )
    _say(
        f"{seconds:.0f} s of CPU, the slowest {slowest:.2f} s; {start_kb / 1024:.0f} MB before, at most "
        f"{grown:.0f} MB more; nothing else written: {is_clean}",
        options.output,
    )
    for text in tracebacks[:5]:
        _say(text, options.output)
    return is_clean and set(outcomes) <= {"still a model", "one sentence"}


def _address_space_kb() -> int:
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmSize")]
    return int(line.split()[1])


if __name__ == "__main__":
    main()
