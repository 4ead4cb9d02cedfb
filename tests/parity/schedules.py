"""Runs diffusers' schedulers with a schedule that is not their config's, and writes what they did, for
`tests/sampler_parity.rs`.

    python tests/parity/schedules.py

writes `tests/parity/fixtures/schedules/*.json`, one file per sampler, laid out as those of
`schedulers.py`. Beside a case's `config`, which is the one of the model's folder, stands what was asked
for over it: `timestep_spacing`, `sigmas` (a name, or a list with the 0 at its end) or `asked_timesteps`.
diffusers is given the fields of its own that mean the same.
"""

import diffusers
import numpy as np
import schedulers
from schedulers import LATENT, SCHEDULES, SD15, SDXL, run, write

# Not every scheduler knows every field that it is given.
diffusers.logging.set_verbosity_error()
schedulers.FOLDER = schedulers.FOLDER.parent / "schedules"

USE = {name: f"use_{name}_sigmas" for name in ["karras", "exponential", "beta"]}
RUNS = [(6, 1.0), (15, 0.5)]
TIMESTEPS = [999, 845, 730, 587, 443, 310, 193, 116, 53, 13]
# Align Your Steps for Stable Diffusion 1.5 (arXiv 2404.14507).
SIGMAS = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.0]
FLOW_SIGMAS = [1.0, 0.93, 0.8, 0.51, 0.3, 0.12, 0.0]


def spaced(name, config, steps, strength, timestep_spacing=None, sigmas=None, **options):
    """A run with choices over the config."""
    overrides = {}
    if timestep_spacing:
        overrides["timestep_spacing"] = timestep_spacing
    if sigmas:
        # Of two spacings of sigmas diffusers takes none.
        overrides |= {field: choice == sigmas for choice, field in USE.items()}
        overrides["use_lu_lambdas"] = False
    if sigmas and name.startswith("EDM"):
        overrides = {"sigma_schedule": sigmas}
    case = run(name, config, steps, strength, overrides=overrides, **options)
    asked = {"timestep_spacing": timestep_spacing, "sigmas": sigmas}
    return {**case, **{field: value for field, value in asked.items() if value}}


def listed(name, config, strength, timesteps=None, sigmas=None, overrides=None, **options):
    """A run of a list: diffusers' lists of a flow's sigmas lack the 0."""
    overrides = {**{field: False for field in USE.values()}, "use_lu_lambdas": False, **(overrides or {})}
    if timesteps:
        given, steps = {"timesteps": timesteps}, len(timesteps)
    else:
        flows = name.startswith("Flow") or "flow_prediction" in config.values()
        # As an array: one of the schedulers multiplies it as it is.
        given, steps = {"sigmas": np.array(sigmas[:-1] if flows else sigmas)}, len(sigmas) - 1
    case = run(name, config, steps, strength, overrides=overrides, listed=given, **options)
    return {**case, "asked_timesteps" if timesteps else "sigmas": timesteps or sigmas}


def spacings(name, **extra):
    """Every spacing of timesteps over two folders' configs."""
    cases = []
    for config in [SD15, SDXL]:
        for spacing in ["leading", "linspace", "trailing"]:
            for steps, strength in RUNS:
                cases.append(spaced(name, {**config, **extra}, steps, strength, spacing, every=1 + steps // 8))
    return cases


def sigma_spacings(name, configs, choices=tuple(USE), **options):
    cases = []
    for config in configs:
        for sigmas in choices:
            for steps, strength in RUNS:
                cases.append(spaced(name, config, steps, strength, sigmas=sigmas, every=1 + steps // 8, **options))
    return cases


def solver(name):
    """Both choices, alone and together, over configs that say nothing of them and that say otherwise."""
    karras = {"_class_name": name, "use_karras_sigmas": True, **SCHEDULES[0]}
    cosine = {"_class_name": name, **SCHEDULES[2]}
    v_prediction = {"_class_name": name, "prediction_type": "v_prediction", **SCHEDULES[0]}
    cases = spacings(name) + sigma_spacings(name, [SDXL, karras, v_prediction])
    cases += sigma_spacings(name, [cosine], ["karras"])
    for sigmas in USE:
        cases.append(spaced(name, SD15, 7, 1.0, "trailing", sigmas))
    return cases


def timestep_lists(name, config, **options):
    return [
        listed(name, config, 1.0, timesteps=TIMESTEPS, **options),
        listed(name, config, 0.6, timesteps=TIMESTEPS, **options),
        listed(name, config, 1.0, timesteps=[719], **options),
        listed(name, config, 1.0, timesteps=[999, 499, 1], **options),
    ]


def euler():
    name = "EulerDiscreteScheduler"
    base = {"_class_name": name, **SCHEDULES[0]}
    bounded = {**base, "sigma_min": 0.1, "sigma_max": 10.0}
    cases = solver(name) + sigma_spacings(name, [bounded], ["karras", "beta"])
    karras = {**base, "use_karras_sigmas": True}
    low = {**base, "final_sigmas_type": "sigma_min"}
    for config in [SD15, SDXL, karras, low]:
        cases += timestep_lists(name, config)
        cases.append(listed(name, config, 1.0, sigmas=SIGMAS))
        cases.append(listed(name, config, 0.5, sigmas=SIGMAS))
        cases.append(listed(name, config, 1.0, sigmas=[7.5, 0.0]))
    return cases


def dpm_solver(variant=None):
    name = "DPMSolverMultistepScheduler"
    if variant:
        cases = []
        for sigmas in USE:
            case = run(name, SDXL, 8, 1.0, overrides={USE[sigmas]: True, **variant})
            cases.append({**case, "sigmas": sigmas})
        case = run(name, SD15, 8, 0.7, overrides={"timestep_spacing": "trailing", **variant})
        cases.append({**case, "timestep_spacing": "trailing"})
        return cases + timestep_lists(name, SDXL, overrides=variant)
    lu = {"_class_name": name, "use_lu_lambdas": True, **SCHEDULES[0]}
    third = {"_class_name": name, "solver_order": 3, **SCHEDULES[0]}
    cases = solver(name) + sigma_spacings(name, [lu, third])
    for config in [SD15, lu, third, {**third, "use_beta_sigmas": True}]:
        cases += timestep_lists(name, config)
    return cases


def unipc():
    name = "UniPCMultistepScheduler"
    flow = {
        "_class_name": name,
        "prediction_type": "flow_prediction",
        "use_flow_sigmas": True,
        "flow_shift": 3.0,
        **SCHEDULES[0],
    }
    cases = solver(name) + sigma_spacings(name, [flow], ["karras"])
    # The list says where it ends, whatever the config does.
    zero = {"final_sigmas_type": "zero"}
    for config in [flow, {**flow, "use_karras_sigmas": True}, {**flow, "final_sigmas_type": "sigma_min"}]:
        cases.append(listed(name, config, 1.0, sigmas=FLOW_SIGMAS, overrides=zero))
        cases.append(listed(name, config, 0.7, sigmas=FLOW_SIGMAS, overrides=zero))
    return cases


def ddpm():
    name = "DDPMScheduler"
    v_prediction = {"_class_name": name, "prediction_type": "v_prediction", "clip_sample": False, **SCHEDULES[0]}
    return spacings(name) + timestep_lists(name, SD15) + timestep_lists(name, v_prediction)


def distilled(name):
    own = {"_class_name": name, **LATENT}
    return timestep_lists(name, own, eta=None) + timestep_lists(name, SDXL, eta=None)


def flow_euler():
    name = "FlowMatchEulerDiscreteScheduler"
    plain = {"_class_name": name, "shift": 3.0}
    terminal = {**plain, "shift_terminal": 0.1}
    karras = {**plain, "use_karras_sigmas": True}
    dynamic = {**plain, "use_dynamic_shifting": True}
    cases = sigma_spacings(name, [plain, terminal, karras])
    cases += sigma_spacings(name, [dynamic], tokens=1600)
    cases += sigma_spacings(name, [plain], ["beta"], pipeline="FluxPipeline")
    for config in [plain, terminal, karras]:
        cases.append(listed(name, config, 1.0, sigmas=FLOW_SIGMAS))
        cases.append(listed(name, config, 0.6, sigmas=FLOW_SIGMAS))
    cases.append(listed(name, dynamic, 1.0, sigmas=FLOW_SIGMAS, tokens=1600))
    cases.append(listed(name, plain, 1.0, sigmas=FLOW_SIGMAS, pipeline="FluxPipeline"))
    return cases


def edm(name):
    base = {"_class_name": name, "sigma_data": 0.5}
    other = {**base, "sigma_schedule": "exponential", "sigma_min": 0.02, "sigma_max": 700.0}
    return sigma_spacings(name, [base, other], ["karras", "exponential"])


if __name__ == "__main__":
    schedulers.FOLDER.mkdir(parents=True, exist_ok=True)
    write("ddim", spacings("DDIMScheduler"))
    write("ddpm", ddpm())
    write("pndm", spacings("PNDMScheduler", skip_prk_steps=True))
    write("euler", euler())
    write("euler-ancestral", spacings("EulerAncestralDiscreteScheduler"))
    write("dpm-solver++", dpm_solver())
    write("dpm-solver++-sde", dpm_solver({"algorithm_type": "sde-dpmsolver++", "solver_order": 2}))
    write("dpm-solver++-3m", dpm_solver({"solver_order": 3}))
    write("deis", solver("DEISMultistepScheduler"))
    write("unipc", unipc())
    write("lcm", distilled("LCMScheduler"))
    write("tcd", distilled("TCDScheduler"))
    write("flow-euler", flow_euler())
    write("edm-euler", edm("EDMEulerScheduler"))
    write("edm-dpm-solver++", edm("EDMDPMSolverMultistepScheduler"))
