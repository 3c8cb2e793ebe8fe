"""Run calls that poolnorm has printed, in the frameworks they are for.

    python framework_worker.py DIRECTORY keras|torch

The directory holds `calls.json`: a list of {input, keras, config, class, torch, weights}; each
leaves `FRAMEWORK.NUMBER.npy`, and for Keras `config.NUMBER.npy` too.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np


def with_keras(directory: Path, number: int, call: dict[str, Any], x: Any) -> None:
    """Evaluate the call, and make the same layer of the config."""
    keras = import_module("keras")
    layer = eval(call["keras"], {"keras": keras})  # noqa: S307 - what the test is about
    kind = getattr(keras.layers, call["class"])
    config = json.loads((directory / call["config"]).read_text())
    for name, made in (("keras", layer), ("config", kind.from_config(config))):
        made.build(x.shape)
        if call["weights"]:
            made.set_weights(list(np.load(directory / call["weights"]).values()))
        np.save(directory / f"{name}.{number}.npy", np.asarray(made(x)))


def with_torch(directory: Path, number: int, call: dict[str, Any], x: Any) -> None:
    """Evaluate the call, or run the lines."""
    torch = import_module("torch")
    held: dict[str, Any] = {"torch": torch, "x": torch.from_numpy(x)}
    register = torch.nn.modules.module.register_module_forward_pre_hook
    hook = register(lambda module, _: loaded(torch, module, directory, call))
    with torch.no_grad():
        if "y = " in call["torch"]:
            exec(call["torch"], held)  # noqa: S102 - what the test is about
        else:
            held["y"] = eval(call["torch"], held)(held["x"])  # noqa: S307
    hook.remove()
    np.save(directory / f"torch.{number}.npy", held["y"].numpy())


def loaded(torch: Any, module: Any, directory: Path, call: dict[str, Any]) -> None:
    """Give a module the weights just before it is first called, and no training."""
    module.eval()
    names = {"gamma": "weight", "scale": "weight", "beta": "bias"}
    names |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    if call["weights"] and list(module.state_dict()):
        weights = dict(np.load(directory / call["weights"]))
        state = {names[name]: torch.from_numpy(value) for name, value in weights.items()}
        module.load_state_dict(state, strict=False)


def main() -> None:
    """Run all calls."""
    directory, framework = Path(sys.argv[1]), sys.argv[2]
    run = {"keras": with_keras, "torch": with_torch}[framework]
    for number, call in enumerate(json.loads((directory / "calls.json").read_text())):
        run(directory, number, call, np.load(directory / call["input"]))


if __name__ == "__main__":
    main()
