//! JSON as Python writes it: the configuration files of diffusers and transformers.

/// The text with `null` for `Infinity`, `-Infinity` and `NaN`, which Python's `json` writes as bare
/// words and JSON does not have. The default of `DPMSolverMultistepScheduler`'s
/// `lambda_min_clipped` is such a word, so that every folder with that scheduler has it.
pub fn without_infinities(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(character) = rest.chars().next() {
        if !in_string
            && let Some(word) = ["-Infinity", "Infinity", "NaN"]
                .into_iter()
                .find(|word| rest.starts_with(word))
        {
            cleaned.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        let mut taken = character.len_utf8();
        match character {
            '"' => in_string = !in_string,
            '\\' if in_string => taken += rest[taken..].chars().next().map_or(0, char::len_utf8),
            _ => {}
        }
        cleaned.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_words_are_replaced() {
        assert_eq!(
            without_infinities(r#"{"a": -Infinity, "b": [NaN, Infinity], "c": "\" NaN \""}"#),
            r#"{"a": null, "b": [null, null], "c": "\" NaN \""}"#
        );
    }
}
