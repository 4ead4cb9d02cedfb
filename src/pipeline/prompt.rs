//! Prompts as people weight them: the syntax of AUTOMATIC1111's web UI (`parse_prompt_attention`).
//!
//! | written | weight |
//! |---|---|
//! | `(word)` | times 1.1 |
//! | `(word:1.2)` | times 1.2 |
//! | `[word]` | divided by 1.1 |
//! | `\(`, `\)`, `\[`, `\]`, `\\` | the character itself |
//!
//! `BREAK`, in capitals, ends a chunk of the text encoder's window. `<lora:name:1>` is no word and
//! says nothing to the text encoder: LoRAs are chosen elsewhere ([`extra_networks`]).
//!
//! Brackets nest and multiply; those left open count to the end; closing ones without an opening
//! one are text.

/// A stretch of a prompt that has one weight.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fragment {
    /// The text, without the brackets.
    pub text: String,
    /// 1 is as the model was trained.
    pub weight: f64,
    /// The text begins a new chunk.
    pub begins_chunk: bool,
}

/// The word that ends a chunk.
const BREAK: &str = "BREAK";
/// What the web UI takes out of prompts: names of networks that change the model.
const EXTRA_NETWORKS: [&str; 3] = ["<lora:", "<lyco:", "<hypernet:"];

const ROUND: f64 = 1.1;
const SQUARE: f64 = 1.0 / 1.1;
/// A number beyond this is text, not a weight: it would only overflow.
const MOST_WEIGHT: f64 = 100.0;

/// Splits a prompt into stretches of one weight; at least one, which may be empty.
pub(super) fn parse_prompt(prompt: &str) -> Vec<Fragment> {
    let mut fragments: Vec<Fragment> = Vec::new();
    let (mut round, mut square) = (Vec::new(), Vec::new());
    let mut rest = prompt;
    while let Some(character) = rest.chars().next() {
        let mut taken = character.len_utf8();
        let weight = (character == ':').then(|| closing_weight(rest)).flatten();
        match (character, weight) {
            ('<', _) => match extra_network(rest) {
                Some(network) => taken = network.len(),
                None => fragments.push(plain("<")),
            },
            ('\\', _) => {
                let escaped = rest[1..].chars().next();
                let escaped = escaped.filter(|next| matches!(next, '(' | ')' | '[' | ']' | '\\'));
                fragments.push(plain(
                    &rest[taken..taken + escaped.map_or(0, char::len_utf8)],
                ));
                taken += escaped.map_or(0, char::len_utf8);
            }
            ('(', _) => round.push(fragments.len()),
            ('[', _) => square.push(fragments.len()),
            (':', Some((weight, length))) if !round.is_empty() => {
                multiply(&mut fragments, round.pop(), weight);
                taken = length;
            }
            (')', _) if !round.is_empty() => multiply(&mut fragments, round.pop(), ROUND),
            (']', _) if !square.is_empty() => multiply(&mut fragments, square.pop(), SQUARE),
            (')' | ']' | ':', _) => fragments.push(plain(&rest[..taken])),
            _ => {
                let special = ['\\', '(', ')', '[', ']', ':', '<'];
                taken = rest.find(special).unwrap_or(rest.len());
                fragments.push(plain(&rest[..taken]));
            }
        }
        rest = &rest[taken..];
    }
    for (open, weight) in [(round, ROUND), (square, SQUARE)] {
        for start in open {
            multiply(&mut fragments, Some(start), weight);
        }
    }
    merged(fragments).into_iter().flat_map(chunked).collect()
}

/// What a text begins with that names a network beside the model.
fn extra_network(text: &str) -> Option<&str> {
    EXTRA_NETWORKS
        .iter()
        .any(|mark| text.starts_with(mark))
        .then(|| text.split_inclusive('>').next())?
        .filter(|found| found.ends_with('>'))
}

/// What a prompt names of networks beside the model, such as `<lora:ink:0.8>`, as it is written.
pub fn extra_networks(prompt: &str) -> Vec<&str> {
    let marks = prompt.match_indices('<');
    marks
        .filter_map(|(at, _)| extra_network(&prompt[at..]))
        .collect()
}

/// The stretch, cut where a word ends a chunk.
fn chunked(fragment: Fragment) -> Vec<Fragment> {
    let Fragment { text, weight, .. } = fragment;
    let mut parts = Vec::new();
    let mut start = 0;
    let is_word = |letter: Option<char>| letter.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut part = |range: std::ops::Range<usize>, begins_chunk| {
        let text = match begins_chunk {
            true => text[range].trim_start(),
            false => &text[range],
        };
        parts.push(Fragment {
            text: text.to_owned(),
            weight,
            begins_chunk,
        });
    };
    let mut begins = false;
    for (at, word) in text.match_indices(BREAK) {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        if !is_word(before.chars().next_back()) && !is_word(after.chars().next()) {
            part(start..at, begins);
            (start, begins) = (at + word.len(), true);
        }
    }
    part(start..text.len(), begins);
    parts
}

/// The words of a prompt without their weights, as a reader that knows no weights should get them.
pub fn plain_prompt(prompt: &str) -> String {
    let fragments = parse_prompt(prompt);
    fragments
        .iter()
        .map(|fragment| fragment.text.as_str())
        .collect()
}

fn plain(text: &str) -> Fragment {
    Fragment {
        text: text.to_owned(),
        weight: 1.0,
        begins_chunk: false,
    }
}

fn multiply(fragments: &mut [Fragment], from: Option<usize>, weight: f64) {
    for fragment in fragments.iter_mut().skip(from.unwrap_or(usize::MAX)) {
        fragment.weight *= weight;
    }
}

/// The weight in a text that begins `: number )`, and the length of all that.
fn closing_weight(text: &str) -> Option<(f64, usize)> {
    let (inside, _) = text.strip_prefix(':')?.split_once(')')?;
    let number = inside.trim();
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    if !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let weight: f64 = number.parse().ok()?;
    (weight.abs() <= MOST_WEIGHT).then_some((weight, inside.len() + 2))
}

/// Neighbours of one weight become one stretch, so that words are not torn where an escape was.
fn merged(fragments: Vec<Fragment>) -> Vec<Fragment> {
    let mut runs: Vec<Fragment> = Vec::new();
    for fragment in fragments {
        match runs.last_mut() {
            Some(last) if last.weight == fragment.weight => last.text.push_str(&fragment.text),
            _ => runs.push(fragment),
        }
    }
    if runs.is_empty() {
        runs.push(plain(""));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `parse_prompt_attention` answers, its own examples first.
    #[test]
    fn weights_are_those_of_the_web_ui() {
        let cases: [(&str, &[(&str, f64)]); 17] = [
            ("normal text", &[("normal text", 1.0)]),
            (
                "an (important) word",
                &[("an ", 1.0), ("important", 1.1), (" word", 1.0)],
            ),
            ("(unbalanced", &[("unbalanced", 1.1)]),
            (r"\(literal\]", &[("(literal]", 1.0)]),
            ("(unnecessary)(parens)", &[("unnecessaryparens", 1.1)]),
            (
                "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
                &[
                    ("a ", 1.0),
                    ("house", 1.573),
                    (" ", 1.1),
                    ("on", 1.0),
                    (" a ", 1.1),
                    ("hill", 0.55),
                    (", sun, ", 1.1),
                    ("sky", 1.4641),
                    (".", 1.1),
                ],
            ),
            ("", &[("", 1.0)]),
            ("()", &[("", 1.0)]),
            ("[word]", &[("word", 1.0 / 1.1)]),
            ("(a: +0.5 )b", &[("a", 0.5), ("b", 1.0)]),
            ("(a:-1)", &[("a", -1.0)]),
            (
                "ratio 3:2) and [x:1.2]",
                &[("ratio 3:2) and ", 1.0), ("x:1.2", 1.0 / 1.1)],
            ),
            ("(smile:)", &[("smile:", 1.1)]),
            ("(a:1.2.3)", &[("a:1.2.3", 1.1)]),
            ("(a:99999)", &[("a:99999", 1.1)]),
            (r"back\\slash \n end\", &[(r"back\slash n end", 1.0)]),
            ("(日本:1.5)語", &[("日本", 1.5), ("語", 1.0)]),
        ];
        for (prompt, wanted) in cases {
            let found = parse_prompt(prompt);
            assert_eq!(found.len(), wanted.len(), "{prompt}: {found:?}");
            for (fragment, (text, weight)) in found.iter().zip(wanted) {
                assert_eq!(fragment.text, *text, "{prompt}");
                assert!(
                    (fragment.weight - weight).abs() < 1e-9,
                    "{prompt}: {found:?}"
                );
            }
        }
    }

    proptest::proptest! {
        /// No prompt is lost or makes a weight that is not a number.
        #[test]
        fn any_prompt_is_read(prompt in ".{0,60}") {
            let fragments = parse_prompt(&prompt);
            proptest::prop_assert!(!fragments.is_empty());
            proptest::prop_assert!(fragments.iter().all(|fragment| fragment.weight.is_finite()));
            if !prompt.contains(['(', ')', '[', ']', ':', '\\', '<']) && !prompt.contains(BREAK) {
                proptest::prop_assert_eq!(&fragments[0].text, &prompt);
            }
        }
    }

    #[test]
    fn networks_beside_the_model_are_no_words() {
        let prompt = "a fox <lora:ink-wash_v2:0.8>, (red<lora:a:1>:1.3) <lora:open 1 < 2";
        assert_eq!(
            extra_networks(prompt),
            ["<lora:ink-wash_v2:0.8>", "<lora:a:1>"]
        );
        let texts: Vec<_> = parse_prompt(prompt)
            .into_iter()
            .map(|fragment| (fragment.text, fragment.weight))
            .collect();
        let texts: Vec<_> = texts
            .iter()
            .map(|(text, weight)| (text.as_str(), *weight))
            .collect();
        assert_eq!(
            texts,
            [("a fox , ", 1.0), ("red", 1.3), (" <lora:open 1 < 2", 1.0)]
        );
    }

    #[test]
    fn break_begins_a_chunk_where_it_is_a_word() {
        let cut = |prompt: &str| -> Vec<(String, bool)> {
            let fragments = parse_prompt(prompt).into_iter();
            fragments.map(|one| (one.text, one.begins_chunk)).collect()
        };
        let wanted = |parts: &[(&str, bool)]| -> Vec<(String, bool)> {
            parts
                .iter()
                .map(|(text, begins)| ((*text).to_owned(), *begins))
                .collect()
        };
        assert_eq!(
            cut("sky BREAK sea"),
            wanted(&[("sky ", false), ("sea", true)])
        );
        assert_eq!(
            cut("BREAK (sea BREAK sun)"),
            wanted(&[("", false), ("", true), ("sea ", false), ("sun", true)])
        );
        for prompt in ["a break", "BREAKFAST", "OUTBREAK", "BREAK_1"] {
            assert_eq!(cut(prompt), wanted(&[(prompt, false)]));
        }
    }

    #[test]
    fn a_plain_prompt_has_the_words_and_no_weights() {
        assert_eq!(
            plain_prompt(r"a (red:1.3) [old] fox \(wild\)"),
            "a red old fox (wild)"
        );
    }
}
