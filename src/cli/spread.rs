//! Flags that belong to others, one for all of them or one for each.

use super::Failure;

/// The value of a flag for each of so many `of`.
///
/// # Errors
/// One line, when there are neither one nor as many, or none where there is no usual value.
pub fn spread<T: Clone>(
    flag: &str,
    given: &[T],
    usual: Option<T>,
    (of, count): (&str, usize),
) -> Result<Vec<T>, Failure> {
    match (given, usual) {
        (given, _) if given.len() == count => Ok(given.to_vec()),
        ([one], _) => Ok(vec![one.clone(); count]),
        ([], Some(usual)) => Ok(vec![usual; count]),
        _ => Err(Failure::usage(format!(
            "there are {} {flag} for {count} {of}: give one for all, or one for each",
            given.len()
        ))),
    }
}

/// Refuses a span of steps that holds none.
///
/// # Errors
/// One line with both flags.
pub fn check_span(flags: [&str; 2], start: f64, end: f64) -> Result<(), Failure> {
    if start < end {
        return Ok(());
    }
    let [first, second] = flags;
    Err(Failure::usage(format!(
        "{first} is {start} and {second} {end}: no step lies between; let it start before it ends"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_belongs_to_all_or_to_each() {
        let of = |given: &[f64], count| {
            spread("--control-scale", given, Some(1.0), ("--control", count))
        };
        assert_eq!(of(&[], 2).unwrap(), [1.0, 1.0]);
        assert_eq!(of(&[0.5], 2).unwrap(), [0.5, 0.5]);
        assert_eq!(of(&[0.5, 0.7], 2).unwrap(), [0.5, 0.7]);
        let refused = of(&[0.5, 0.7], 3).unwrap_err();
        assert_eq!(refused.code(), 2);
        assert!(
            refused
                .to_string()
                .contains("2 --control-scale for 3 --control"),
            "{refused}"
        );
        assert!(spread::<f64>("--reference", &[], None, ("--ip-adapter", 1)).is_err());
    }
}
