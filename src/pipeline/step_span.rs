//! A span of a render's steps.

use super::PipelineError;

/// From where to where, 0 … 1 of the steps that run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StepSpan {
    pub start: f64,
    pub end: f64,
}

impl StepSpan {
    /// Whether the step of this number, of so many, lies in the span with all of it.
    pub fn holds(self, step: usize, steps: usize) -> bool {
        let steps = steps as f64;
        let (begin, end) = (step as f64 / steps, (step + 1) as f64 / steps);
        begin >= self.start && end <= self.end
    }

    /// Checks a scale and a span, whose fields have these names on the wire.
    ///
    /// # Errors
    /// `Setting`, with the field's name.
    pub fn check(self, scale: f64, fields: [&'static str; 3]) -> Result<(), PipelineError> {
        let refuse = |field: &'static str, value: f64, allowed: &'static str| {
            Err(PipelineError::Setting {
                field,
                value,
                allowed,
            })
        };
        let [scale_field, start_field, end_field] = fields;
        if !(scale.is_finite() && scale >= 0.0) {
            return refuse(scale_field, scale, "a number from 0 on");
        }
        if !(0.0..=1.0).contains(&self.start) {
            return refuse(start_field, self.start, "a number from 0 to 1");
        }
        if !(0.0..=1.0).contains(&self.end) {
            return refuse(end_field, self.end, "a number from 0 to 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_held_that_lies_in_the_span_with_all_of_it() {
        let held = |start: f64, end: f64, steps: usize| -> Vec<usize> {
            let span = StepSpan { start, end };
            (0..steps).filter(|step| span.holds(*step, steps)).collect()
        };
        assert_eq!(held(0.0, 1.0, 3), [0, 1, 2]);
        assert_eq!(held(0.0, 0.5, 4), [0, 1]);
        assert_eq!(held(0.25, 0.75, 4), [1, 2]);
        assert_eq!(held(0.3, 1.0, 4), [2, 3]);
        assert_eq!(held(0.0, 0.5, 1), [0usize; 0]);
    }
}
