"""What TensorFlow, OpenVINO and LiteRT make of exported models: run by benchmarks/models.py with the
Python that has them, never by racer's.

    python models_theirs.py < FOLDERS > ANSWERS

Each line of FOLDERS is a folder with `case.json`, `model.pb`, a checkpoint `0_Step-0.ckpt`, its
tensors in `tensors.npz`, and frames with PyTorch's answers in `frames.npz`. Each gets one line of JSON,
and `theirs.ckpt` beside, which TensorFlow's own saver writes of the same tensors.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import openvino
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

tf1 = tf.compat.v1
PACKAGES = ("tensorflow-cpu", "openvino", "ai-edge-litert")


def main() -> None:
    """Answer each folder."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    print(json.dumps({name: version(name) for name in PACKAGES}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(Path(line.strip()))), file=answers, flush=True)


def _answer(folder: Path) -> dict:
    case = json.loads((folder / "case.json").read_text())
    frames = np.load(folder / "frames.npz")
    inputs = {name: frames[f"x{k}"].astype(np.float32) for k, name in enumerate(case["inputs"])}
    expected = frames["answer"]
    consumers = {
        "tensorflow": _tensorflow,
        "openvino_f32": lambda *all_of_it: _openvino(*all_of_it, "f32"),
        "openvino_bf16": lambda *all_of_it: _openvino(*all_of_it, "bf16"),
        "tflite_fp16": _tflite,
    }
    answer: dict = {"checkpoint_equal": _reads_checkpoint(folder)}
    for name, consumer in consumers.items():
        started = time.process_time()
        found = consumer(folder / "model.pb", case, inputs)
        if case["kind"] == "sac":  # squashed behind the graph
            found = np.tanh(found)
        answer[name] = {
            "difference": float(np.abs(found - expected).max()),
            "same": _same(found, expected, case["kind"]),
            "seconds": time.process_time() - started,
        }
    return answer


def _same(found: np.ndarray, expected: np.ndarray, kind: str) -> int:
    """On how many frames the action is the same; a point of continuous actions within 0.01 of 2."""
    if kind == "discrete":
        return int((found.argmax(1) == expected.argmax(1)).sum())
    return int((np.abs(found - expected) <= 0.01).all(axis=1).sum())


def _graph(file: Path) -> tf1.GraphDef:
    graph = tf1.GraphDef()
    graph.ParseFromString(file.read_bytes())
    return graph


def _tensorflow(file: Path, case: dict, inputs: dict) -> np.ndarray:
    with tf1.Graph().as_default() as graph:
        tf1.import_graph_def(_graph(file), name="")
        with tf1.Session(graph=graph) as session:
            feed = {f"{name}:0": values for name, values in inputs.items()}
            return session.run(case["output"] + ":0", feed)


def _reads_checkpoint(folder: Path) -> bool:
    """Whether TensorFlow reads the very tensors; its own saver writes them again."""
    reader = tf1.train.load_checkpoint(str(folder / "0_Step-0.ckpt"))
    tensors = np.load(folder / "tensors.npz")
    names = set(reader.get_variable_to_shape_map())
    keys = {key.replace("|", "/"): key for key in tensors.files}
    equal = names == set(keys) and all(
        np.array_equal(reader.get_tensor(name), tensors[key]) for name, key in keys.items()
    )
    with tf1.Graph().as_default(), tf1.Session() as session:
        variables = {
            name: tf1.Variable(tensors[key], name=f"v{k}")
            for k, (name, key) in enumerate(keys.items())
        }
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver(variables).save(session, str(folder / "theirs.ckpt"))
    return bool(equal)


def _openvino(file: Path, case: dict, inputs: dict, precision: str) -> np.ndarray:
    model = openvino.convert_model(str(file))
    named = {  # here a name has the number of its output behind it
        port: values
        for port in model.inputs
        for name, values in inputs.items()
        if any(text.split(":")[0] == name for text in port.get_names())
    }
    model.reshape({port: [1, *values.shape[1:]] for port, values in named.items()})
    order = list(named.values())
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    answers = []
    for k in range(len(order[0])):
        found = compiled([values[k : k + 1] for values in order])
        answers.append(np.array(found[0][0]))
    return np.array(answers)


def _tflite(file: Path, case: dict, inputs: dict) -> np.ndarray:
    """By the call with which the car converts, in half precision."""
    converter = tf1.lite.TFLiteConverter.from_frozen_graph(
        graph_def_file=str(file),
        input_shapes={name: [1, *values.shape[1:]] for name, values in inputs.items()},
        input_arrays=list(inputs),
        output_arrays=[case["output"]],
    )
    converter.allow_custom_ops = True
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    places = {part["name"]: part["index"] for part in interpreter.get_input_details()}
    [output] = interpreter.get_output_details()
    count = len(next(iter(inputs.values())))
    answers = []
    for k in range(count):
        for name, values in inputs.items():
            interpreter.set_tensor(places[name], values[k : k + 1])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(output["index"])[0].copy())
    return np.array(answers)


if __name__ == "__main__":
    main()
