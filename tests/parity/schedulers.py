"""Runs diffusers' schedulers and writes what they did, for `tests/sampler_parity.rs`.

    python tests/parity/schedulers.py

writes `tests/parity/fixtures/schedulers/*.json`, one file per sampler; the versions of diffusers,
torch and numpy that made a file are in it.

Model outputs and noise come from a recorded pool, in order: step i of a run takes `outputs[i]`,
the i-th draw of the whole run (0 is the initial noise) takes `noise[i]`, both modulo the pool's
length. A run begins from `image` noised to the first timestep when the strength is below 1, else
from noise times `init_noise_sigma`; the strength picks timesteps as the image-to-image pipelines do.
"""

import itertools
import json
import pathlib
import platform

import diffusers
import numpy as np
import torch

FOLDER = pathlib.Path(__file__).parent / "fixtures" / "schedulers"
POOL = 32
SHAPE = (1, 1, 1, 3)

random = np.random.default_rng(20240229)
outputs = random.normal(size=(POOL, 3)).astype(np.float32)
noise = random.normal(size=(POOL, 3)).astype(np.float32)
image = random.uniform(-1, 1, size=3).astype(np.float32)

LATENT = {"beta_start": 0.00085, "beta_end": 0.012}
SCHEDULES = [
    {"beta_schedule": "scaled_linear", **LATENT},
    {"beta_schedule": "linear"},
    {"beta_schedule": "squaredcos_cap_v2"},
]
SPACINGS = ["leading", "trailing", "linspace"]
PREDICTIONS = ["epsilon", "v_prediction", "sample"]
SD15 = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
SDXL = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
    "clip_sample": False,
}
PLAYGROUND = {
    "_class_name": "EDMDPMSolverMultistepScheduler",
    "algorithm_type": "dpmsolver++",
    "dynamic_thresholding_ratio": 0.995,
    "euler_at_final": False,
    "final_sigmas_type": "zero",
    "lower_order_final": True,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "rho": 7.0,
    "sample_max_value": 1.0,
    "sigma_data": 0.5,
    "sigma_max": 80.0,
    "sigma_min": 0.002,
    "solver_order": 2,
    "solver_type": "midpoint",
    "thresholding": False,
}
RUNS = [(4, 1.0), (1, 1.0), (7, 0.75), (2, 1.0), (20, 0.3), (5, 0.5), (12, 1.0)]


def number(value):
    """A float with as many digits as an f32 has."""
    return float(f"{float(value):.9g}")


def numbers(values):
    return [number(value) for value in np.asarray(values, dtype=np.float64).flatten()]


class Draws:
    """Stands in for `randn_tensor`: hands out the pool in order."""

    def __init__(self):
        self.count = 0

    def __call__(self, shape, **_):
        value = torch.from_numpy(noise[self.count % POOL]).reshape(shape)
        self.count += 1
        return value


def shift_of(scheduler, tokens):
    """What `calculate_shift` of the flow pipelines gives for an image of so many tokens."""
    config = scheduler.config
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    return config.base_shift + slope * (tokens - config.base_image_seq_len)


def timesteps_of(scheduler, steps, strength, tokens=None, pipeline=None, listed=None):
    """The timesteps to run: `get_timesteps` of the image-to-image pipeline of that scheduler. `listed`
    are timesteps or sigmas in place of a number of steps."""
    given = listed or dict(num_inference_steps=steps)
    if isinstance(scheduler, (diffusers.LCMScheduler, diffusers.TCDScheduler)):
        scheduler.set_timesteps(**given, strength=strength)
        # Of a list that a strength cut it keeps the whole number, and adds noise to the last step.
        scheduler.num_inference_steps = len(scheduler.timesteps)
        return scheduler.timesteps
    if isinstance(scheduler, diffusers.FlowMatchEulerDiscreteScheduler):
        if pipeline == "FluxPipeline" and not listed:
            given = dict(sigmas=np.linspace(1.0, 1 / steps, steps))
        scheduler.set_timesteps(**given, mu=tokens and shift_of(scheduler, tokens))
    else:
        scheduler.set_timesteps(**given)
    timesteps = scheduler.timesteps
    if isinstance(scheduler, diffusers.FlowMatchEulerDiscreteScheduler):
        start = int(max(steps - min(steps * strength, steps), 0))
    else:
        start = max(steps - min(int(steps * strength), steps), 0)
    if isinstance(scheduler, diffusers.PNDMScheduler) and start > 0:
        # The second timestep that runs is doubled, not the second of all: cut after it was
        # doubled, the list leads the pipelines' samples one step away from their timesteps.
        left = sorted(set(timesteps.tolist()), reverse=True)[start:]
        return torch.tensor(left[:1] + left[1:2] + left[1:])
    if isinstance(scheduler, diffusers.DDIMInverseScheduler):
        return timesteps[: len(timesteps) - start]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    return timesteps[start:]


def run(class_name, config, steps, strength, eta=0.0, overrides=None, every=1, tokens=None, pipeline=None, listed=None):
    """One case: the scheduler from `config`, as `from_config` reads it, run to the end."""
    scheduler_class = getattr(diffusers, class_name)
    scheduler = scheduler_class.from_config({**config, **(overrides or {})})
    draws = Draws()
    module = __import__(scheduler_class.__module__, fromlist=["randn_tensor"])
    module.randn_tensor = draws

    timesteps = timesteps_of(scheduler, steps, strength, tokens, pipeline, listed)
    clean = torch.from_numpy(image).reshape(SHAPE)
    if class_name == "DDIMInverseScheduler":
        sample = clean
        scale = 1.0
    elif class_name == "FlowMatchEulerDiscreteScheduler":
        scale = 1.0
        first = draws(SHAPE)
        sample = scheduler.scale_noise(clean, timesteps[:1], first) if strength < 1 else first
    else:
        scale = scheduler.init_noise_sigma
        first = draws(SHAPE)
        sample = scheduler.add_noise(clean, first, timesteps[:1]) if strength < 1 else first * scale

    case = {"config": config, "steps": steps, "strength": strength}
    if tokens:
        case["image_seq_len"] = tokens
    if pipeline:
        case["pipeline"] = pipeline
    if eta or class_name == "TCDScheduler" and eta is not None:
        case["eta"] = eta
    if every > 1:
        case["every"] = every
    case["initial_noise_scale"] = number(scale)
    case["initial"] = numbers(sample)
    case["timesteps"] = numbers(timesteps)
    inputs, samples = [], []
    for i, timestep in enumerate(timesteps):
        if hasattr(scheduler, "scale_model_input"):
            inputs.append(scheduler.scale_model_input(sample, timestep))
        has_eta = class_name == "DDIMScheduler" or (class_name == "TCDScheduler" and eta is not None)
        options = {"eta": eta} if has_eta else {}
        draws.count = 1 + i
        output = torch.from_numpy(outputs[i % POOL]).reshape(SHAPE)
        sample = scheduler.step(output, timestep, sample, **options).prev_sample
        if i % every == every - 1 or i == len(timesteps) - 1:
            samples.append(numbers(sample))
    if "Euler" in class_name and inputs:
        case["first_input"] = numbers(inputs[0])
    case["samples"] = samples
    assert np.isfinite(samples).all(), case
    return case


def grid(class_name, spacings=SPACINGS, predictions=PREDICTIONS, runs=RUNS, **extra):
    """Every prediction type with every schedule and spacing, the runs taking turns."""
    turns = itertools.cycle(runs)
    for prediction, schedule, spacing in itertools.product(predictions, SCHEDULES, spacings):
        config = {
            "_class_name": class_name,
            "prediction_type": prediction,
            "timestep_spacing": spacing,
            **schedule,
            **extra,
        }
        yield run(class_name, config, *next(turns))


def zero_snr(class_name, **extra):
    """Zero terminal SNR, where the first step has (next to) no signal."""
    for prediction, spacing in itertools.product(["v_prediction"], ["trailing", "linspace"]):
        yield {
            "_class_name": class_name,
            "prediction_type": prediction,
            "timestep_spacing": spacing,
            "rescale_betas_zero_snr": True,
            **SCHEDULES[0],
            **extra,
        }


def walked(class_name):
    """The variance-preserving schedulers that walk training timesteps."""
    off = {"clip_sample": False}
    spacings = SPACINGS[:2] if class_name == "DDIMInverseScheduler" else SPACINGS
    cases = list(grid(class_name, spacings=spacings, predictions=["epsilon", "v_prediction"], **off))
    if class_name != "DDIMInverseScheduler":
        cases += grid(class_name, predictions=["sample"], **off)
    base = {"_class_name": class_name, **SCHEDULES[0]}
    cases += [run(class_name, config, 5, 1.0) for config in zero_snr(class_name, **off)
              if config["timestep_spacing"] in spacings]
    for prediction in ["epsilon", "v_prediction"]:
        cases.append(run(class_name, {**base, "prediction_type": prediction}, 6, 1.0))
        clip = {"prediction_type": prediction, "clip_sample_range": 2.5, "steps_offset": 1}
        cases.append(run(class_name, {**base, **clip}, 10, 0.6))
    cases.append(run(class_name, {**base, **off, "set_alpha_to_one": False, "steps_offset": 1}, 10, 1.0))
    cases.append(run(class_name, {**base, **off, "num_train_timesteps": 500}, 9, 1.0))
    cases.append(run(class_name, {**base, **off, "timestep_spacing": "trailing"}, 48, 1.0, every=8))
    betas = [round(0.001 + 0.0004 * i, 6) for i in range(40)]
    cases.append(run(class_name, {**base, **off, "num_train_timesteps": 40, "trained_betas": betas}, 8, 1.0))
    cases.append(run(class_name, SD15, 25, 0.8, every=4))
    return cases


def ddim():
    cases = walked("DDIMScheduler")
    for prediction, eta in itertools.product(PREDICTIONS, [0.4, 1.0]):
        for clip in [False, True]:
            config = {"_class_name": "DDIMScheduler", "prediction_type": prediction, "clip_sample": clip}
            cases.append(run("DDIMScheduler", {**config, **SCHEDULES[0]}, 6, 0.9, eta))
    cases.append(run("DDIMScheduler", {**SDXL, "timestep_spacing": "leading"}, 50, 1.0, every=10))
    return cases


def ddpm():
    cases = walked("DDPMScheduler")
    base = {"_class_name": "DDPMScheduler", "clip_sample": False, **SCHEDULES[0]}
    for variance in ["fixed_small", "fixed_small_log", "fixed_large"]:
        cases.append(run("DDPMScheduler", {**base, "variance_type": variance}, 10, 1.0))
    cases.append(run("DDPMScheduler", base, 1000, 1.0, every=10))
    return cases


def euler():
    name = "EulerDiscreteScheduler"
    cases = list(grid(name))
    cases += [run(name, config, 5, 1.0) for config in zero_snr(name)]
    base = {"_class_name": name, **SCHEDULES[0]}
    for steps, strength in [(1, 1.0), (8, 1.0), (15, 0.5)]:
        cases.append(run(name, {**base, "use_karras_sigmas": True}, steps, strength))
    cases.append(run(name, {**base, "use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 10.0}, 6, 1.0))
    cases.append(run(name, {**base, "use_exponential_sigmas": True}, 6, 1.0))
    cases.append(run(name, {**base, "use_beta_sigmas": True}, 6, 1.0))
    cases.append(run(name, {**base, "final_sigmas_type": "sigma_min"}, 6, 1.0))
    cases.append(run(name, SDXL, 30, 0.7, every=5))
    cases.append(run(name, SD15, 30, 1.0, every=5))
    return cases


def euler_ancestral():
    name = "EulerAncestralDiscreteScheduler"
    cases = list(grid(name, predictions=["epsilon", "v_prediction"]))
    cases += [run(name, config, 5, 1.0) for config in zero_snr(name)]
    cases.append(run(name, SDXL, 30, 0.7, every=5))
    cases.append(run(name, SD15, 30, 1.0, every=5))
    return cases


def turbo():
    name = "EulerAncestralDiscreteScheduler"
    trailing = {"timestep_spacing": "trailing"}
    cases = []
    for config in [SDXL, SD15, {"_class_name": name, "prediction_type": "v_prediction", **SCHEDULES[0]}]:
        for steps, strength in [(1, 1.0), (2, 0.5), (2, 1.0), (4, 1.0), (4, 0.5), (8, 0.8)]:
            cases.append(run(name, config, steps, strength, overrides=trailing))
    return cases


def dpm_solver():
    name = "DPMSolverMultistepScheduler"
    cases = list(grid(name))
    cases += [run(name, config, 5, 1.0) for config in zero_snr(name)]
    base = {"_class_name": name, **SCHEDULES[0]}
    solvers = [
        {"solver_order": 1},
        {"solver_type": "heun"},
        {"algorithm_type": "sde-dpmsolver++"},
        {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"},
        {"lower_order_final": False, "final_sigmas_type": "sigma_min"},
        {"euler_at_final": True, "final_sigmas_type": "sigma_min"},
        {"use_lu_lambdas": True},
        {"use_exponential_sigmas": True},
        {"use_beta_sigmas": True},
        {"lambda_min_clipped": -5.1, "beta_schedule": "squaredcos_cap_v2"},
        {"solver_order": 3},
        {"solver_order": 3, "use_karras_sigmas": True},
        {"solver_order": 3, "lower_order_final": False, "final_sigmas_type": "sigma_min"},
        {"solver_order": 3, "algorithm_type": "sde-dpmsolver++"},
        *(
            {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min", "solver_order": order}
            for order in [1, 2, 3]
        ),
        {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min", "solver_type": "heun"},
        {"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min"},
        {"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min", "solver_type": "heun"},
    ]
    for solver in solvers:
        cases.append(run(name, {**base, **solver}, 6, 1.0))
        cases.append(run(name, {**base, **solver}, 18, 0.5))
    for schedule, (steps, strength) in itertools.product(SCHEDULES, [(1, 1.0), (8, 1.0), (20, 0.6)]):
        config = {"_class_name": name, "use_karras_sigmas": True, **schedule}
        cases.append(run(name, config, steps, strength))
    for shift, (steps, strength) in itertools.product([1.0, 3.0], [(4, 1.0), (10, 0.6)]):
        flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": shift}
        cases.append(run(name, {**base, **flow}, steps, strength))
    cases.append(run(name, SD15, 25, 1.0, every=5))
    cases.append(run(name, SDXL, 30, 0.7, every=5))
    return cases


def dpm_solver_variant(**variant):
    """The solver as one of its variants, whatever the config says."""
    name = "DPMSolverMultistepScheduler"
    cases = []
    for prediction, (steps, strength) in itertools.product(PREDICTIONS, RUNS):
        config = {"_class_name": name, "prediction_type": prediction, **SCHEDULES[0]}
        cases.append(run(name, config, steps, strength, overrides=variant))
    for config in [SD15, SDXL]:
        cases.append(run(name, config, 25, 0.8, overrides=variant, every=5))
    return cases


def multistep(name, solvers):
    """A multistep solver: the grid, and these fields of its own."""
    cases = list(grid(name))
    base = {"_class_name": name, **SCHEDULES[0]}
    spacings = ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]
    for solver in [*solvers, *({spacing: True} for spacing in spacings)]:
        cases.append(run(name, {**base, **solver}, 6, 1.0))
        cases.append(run(name, {**base, **solver}, 18, 0.5))
    cosine = {"_class_name": name, "use_karras_sigmas": True, **SCHEDULES[2]}
    cases.append(run(name, cosine, 8, 1.0))
    for shift, (steps, strength) in itertools.product([1.0, 3.0], [(4, 1.0), (10, 0.6)]):
        flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": shift}
        cases.append(run(name, {**base, **flow}, steps, strength))
    cases.append(run(name, SD15, 25, 1.0, every=5))
    cases.append(run(name, SDXL, 30, 0.7, every=5))
    return cases


def deis():
    return multistep(
        "DEISMultistepScheduler",
        [
            {"solver_order": 1},
            {"solver_order": 3},
            {"solver_order": 3, "lower_order_final": False},
            {"lower_order_final": False},
        ],
    )


def unipc():
    name = "UniPCMultistepScheduler"
    solvers = [
        {"solver_order": 1},
        {"solver_order": 3},
        {"solver_type": "bh1", "final_sigmas_type": "sigma_min"},
        {"solver_type": "bh1", "solver_order": 3, "final_sigmas_type": "sigma_min"},
        {"solver_order": 3, "lower_order_final": False, "final_sigmas_type": "sigma_min"},
        {"disable_corrector": [0, 1]},
        {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min"},
        {"use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 11.0},
    ]
    cases = multistep(name, solvers)
    cases += [run(name, config, 5, 1.0) for config in zero_snr(name)]
    return cases


def pndm():
    name = "PNDMScheduler"
    skip = {"skip_prk_steps": True}
    cases = list(grid(name, predictions=["epsilon", "v_prediction"], **skip))
    base = {"_class_name": name, **SCHEDULES[0], **skip}
    cases.append(run(name, {**base, "set_alpha_to_one": True}, 10, 1.0))
    cases.append(run(name, {**base, "num_train_timesteps": 500}, 9, 1.0))
    cases.append(run(name, SD15, 50, 1.0, every=5))
    cases.append(run(name, SD15, 25, 0.8, every=4))
    cases.append(run(name, SDXL, 8, 1.0))
    return cases


def tcd():
    name = "TCDScheduler"
    cases = []
    runs = itertools.cycle([(4, 1.0), (1, 1.0), (2, 0.5), (8, 1.0), (3, 0.77), (7, 0.6), (5, 0.34)])
    etas = itertools.cycle([None, 0.0, 1.0, 0.3, 0.65])
    for prediction, schedule in itertools.product(PREDICTIONS, [{}] + SCHEDULES):
        config = {"_class_name": name, "prediction_type": prediction, **schedule}
        for _ in range(2):
            cases.append(run(name, config, *next(runs), eta=next(etas)))
    base = {"_class_name": name}
    cases.append(run(name, {**base, "original_inference_steps": 100}, 6, 1.0, eta=None))
    cases.append(run(name, SD15, 4, 1.0, eta=None))
    cases.append(run(name, SDXL, 6, 0.5, eta=None))
    return cases


def lcm():
    name = "LCMScheduler"
    cases = []
    runs = itertools.cycle([(4, 1.0), (1, 1.0), (2, 0.5), (8, 1.0), (3, 0.77), (7, 0.6), (5, 0.34)])
    for prediction, schedule in itertools.product(PREDICTIONS, [{}] + SCHEDULES):
        config = {"_class_name": name, "prediction_type": prediction, **schedule}
        for _ in range(2):
            cases.append(run(name, config, *next(runs)))
    base = {"_class_name": name}
    cases.append(run(name, base, 50, 1.0, every=10))
    cases.append(run(name, base, 10, 0.2))
    cases.append(run(name, {**base, "original_inference_steps": 100, "timestep_scaling": 3.0}, 6, 1.0))
    cases.append(run(name, {**base, "clip_sample": True, "clip_sample_range": 0.5}, 4, 1.0))
    cases.append(run(name, {**base, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}, 4, 1.0))
    cases.append(run(name, SD15, 4, 1.0))
    cases.append(run(name, SDXL, 6, 0.5))
    return cases


def edm_configs(name):
    """Every schedule, prediction and end, of the fields that both schedulers of EDM have."""
    ends = ["zero", "sigma_min"]
    for schedule, prediction, end in itertools.product(
        ["karras", "exponential"], ["epsilon", "v_prediction"], ends
    ):
        yield {
            "_class_name": name,
            "sigma_schedule": schedule,
            "prediction_type": prediction,
            "final_sigmas_type": end,
        }
    yield {"_class_name": name, "sigma_min": 0.02, "sigma_max": 700.0, "sigma_data": 1.0, "rho": 5.0}


def edm(name, solvers=()):
    # Of a single step diffusers' exponential schedule and Euler's `sigma_min` make nothing.
    runs = itertools.cycle([(4, 1.0), (7, 0.75), (2, 1.0), (20, 0.3), (5, 0.5), (16, 1.0)])
    cases = [run(name, config, *next(runs)) for config in edm_configs(name) for _ in range(2)]
    base = {"_class_name": name, "sigma_data": 0.5}
    cases.append(run(name, base, 1, 1.0))
    for solver in solvers:
        cases.append(run(name, {**base, **solver}, 6, 1.0))
        cases.append(run(name, {**base, **solver}, 18, 0.5))
    cases.append(run(name, PLAYGROUND, 25, 1.0, every=5))
    cases.append(run(name, PLAYGROUND, 30, 0.7, every=5))
    return cases


def edm_dpm_solver():
    sde = {"algorithm_type": "sde-dpmsolver++"}
    low = {"final_sigmas_type": "sigma_min"}
    return edm(
        "EDMDPMSolverMultistepScheduler",
        [
            {"solver_order": 1},
            {"solver_order": 3},
            {"solver_type": "heun"},
            {"solver_order": 3, "lower_order_final": False},
            {"lower_order_final": False, **low},
            {"euler_at_final": True, **low},
            sde,
            {**sde, "solver_order": 1},
            {**sde, "solver_type": "heun"},
        ],
    )


def flow_euler():
    name = "FlowMatchEulerDiscreteScheduler"
    cases = []
    for shift in [1.0, 3.0]:
        for steps, strength in [(1, 1.0), (4, 1.0), (4, 0.6), (28, 0.75), (7, 0.1)]:
            cases.append(run(name, {"_class_name": name, "shift": shift}, steps, strength, every=1 + steps // 20))
    for extra in [
        {"shift_terminal": 0.1},
        {"use_karras_sigmas": True},
        {"use_exponential_sigmas": True},
        {"use_beta_sigmas": True},
        {"stochastic_sampling": True},
        {"num_train_timesteps": 500},
    ]:
        cases.append(run(name, {"_class_name": name, "shift": 2.0, **extra}, 6, 1.0))
    dynamic = {"_class_name": name, "shift": 3.0, "use_dynamic_shifting": True}
    longer = {"base_shift": 0.7, "max_shift": 0.9, "base_image_seq_len": 128, "max_image_seq_len": 8192}
    spaced = [{"shift_terminal": 0.02}, {"use_karras_sigmas": True}, {"use_beta_sigmas": True}]
    for extra in [{}, longer, {"time_shift_type": "linear"}, {"stochastic_sampling": True}, *spaced]:
        for tokens, (steps, strength) in [(256, (4, 1.0)), (1600, (9, 0.6)), (4096, (2, 1.0))]:
            cases.append(run(name, {**dynamic, **extra}, steps, strength, tokens=tokens))
    for config in [{"_class_name": name, "shift": 1.0}, {"_class_name": name, "shift": 3.0}, dynamic]:
        for tokens, (steps, strength) in [(1024, (4, 1.0)), (4096, (10, 0.75)), (300, (1, 1.0))]:
            seen = tokens if "use_dynamic_shifting" in config else None
            cases.append(run(name, config, steps, strength, tokens=seen, pipeline="FluxPipeline"))
    return cases


def write(sampler, cases):
    versions = {
        "diffusers": diffusers.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    parts = {
        "versions": versions,
        "sampler": sampler,
        "image": numbers(image),
        "outputs": [numbers(row) for row in outputs],
        "noise": [numbers(row) for row in noise],
    }
    compact = {"separators": (",", ":")}
    head = json.dumps(parts, **compact)[:-1]
    lines = ",\n".join(json.dumps(case, **compact) for case in cases)
    path = FOLDER / f"{sampler.replace('+', 'p')}.json"
    path.write_text(f'{head},"cases":[\n{lines}\n]}}\n')
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    write("ddim", ddim())
    write("ddim-inverse", walked("DDIMInverseScheduler"))
    write("ddpm", ddpm())
    write("euler", euler())
    write("euler-ancestral", euler_ancestral())
    write("turbo", turbo())
    write("dpm-solver++", dpm_solver())
    write("dpm-solver++-sde", dpm_solver_variant(algorithm_type="sde-dpmsolver++"))
    write("dpm-solver++-3m", dpm_solver_variant(solver_order=3))
    write("deis", deis())
    write("unipc", unipc())
    write("pndm", pndm())
    write("tcd", tcd())
    write("lcm", lcm())
    write("flow-euler", flow_euler())
    write("edm-euler", edm("EDMEulerScheduler"))
    write("edm-dpm-solver++", edm_dpm_solver())
