import type { ModelInfo, ScheduleChoices, Settings, SigmasChoice, TimestepSpacingChoice } from "../../client/src";

/** What people call each spacing of timesteps; diffusers' names. */
export const SPACING_NAMES: Record<TimestepSpacingChoice, string> = {
  default: "Default",
  leading: "Leading",
  linspace: "Linspace",
  trailing: "Trailing",
};
/** What people call each spacing of sigmas. */
export const SIGMAS_NAMES: Record<SigmasChoice, string> = {
  default: "Default",
  karras: "Karras",
  exponential: "Exponential",
  beta: "Beta",
};

type Model = Pick<ModelInfo, "schedules"> | undefined;
type Asked = Pick<Settings, "sampler" | "timestep_spacing" | "sigmas">;

/** What of the schedule can be chosen with a sampler. Servers of an older day say nothing of it. */
export function scheduleChoices(model: Model, sampler: string): ScheduleChoices {
  return model?.schedules?.[sampler] ?? { timestep_spacing: [], sigmas: [] };
}

/**
 * What of the room's schedule its sampler can have: an undo may bring a sampler back beside a choice
 * that it cannot, which rests then.
 */
export function schedulePossible(model: Model, { sampler, timestep_spacing, sigmas }: Asked): Omit<Asked, "sampler"> {
  const choices = scheduleChoices(model, sampler);
  return {
    timestep_spacing: choices.timestep_spacing.includes(timestep_spacing) ? timestep_spacing : "default",
    sigmas: choices.sigmas.includes(sigmas) ? sigmas : "default",
  };
}

/** The names of choices, the scheduler's own first. */
export function namesOf<Choice extends string>(names: Readonly<Record<Choice, string>>, choices: readonly Choice[]): { value: Choice; name: string }[] {
  const all = Object.keys(names) as Choice[];
  return all.filter((value) => value === "default" || choices.includes(value)).map((value) => ({ value, name: names[value] }));
}
