//! The LoRAs that an engine may use, by name.

use std::collections::HashSet;

use tokio::sync::oneshot;

use super::error::EngineError;
use crate::model::LoraChoice;
use crate::protocol::LoraWeight;

/// The LoRAs that an engine was started with. Which files can be read is decided there and then:
/// nobody gives paths to a running engine.
#[derive(Debug)]
pub(super) struct KnownLoras(Vec<LoraChoice>);

/// LoRAs to be made the active ones, and who waits for it.
pub(super) struct LoraChange {
    pub choices: Vec<LoraChoice>,
    pub done: oneshot::Sender<Result<(), EngineError>>,
}

impl KnownLoras {
    /// LoRAs by their names, which must differ.
    pub fn new(choices: Vec<LoraChoice>) -> Result<Self, EngineError> {
        let mut names = HashSet::new();
        match choices.iter().find(|choice| !names.insert(&choice.name)) {
            None => Ok(Self(choices)),
            Some(twin) => Err(EngineError::SameLoraName {
                name: twin.name.clone(),
            }),
        }
    }

    /// All of them with other weights: 0 for those that `weights` leaves out. They stay in their
    /// order, so that the same weights always make the same sums.
    pub fn with_weights(&self, weights: &[LoraWeight]) -> Result<Vec<LoraChoice>, EngineError> {
        let mut choices = self.0.clone();
        for choice in &mut choices {
            choice.weight = 0.0;
        }
        let mut named = HashSet::new();
        for LoraWeight { name, weight } in weights {
            let known = choices.iter_mut().find(|choice| choice.name == *name);
            match known {
                _ if !named.insert(name) => {
                    return Err(EngineError::SameLoraName { name: name.clone() });
                }
                Some(choice) => choice.weight = *weight,
                None => {
                    return Err(EngineError::UnknownLora {
                        name: name.clone(),
                        known: self.names(),
                    });
                }
            }
        }
        Ok(choices)
    }

    fn names(&self) -> String {
        if self.0.is_empty() {
            return "it was started without any --lora".to_owned();
        }
        let names: Vec<&str> = self.0.iter().map(|choice| choice.name.as_str()).collect();
        format!("it has {}", names.join(", "))
    }
}

/// The names and weights of some choices.
pub(super) fn weights_of(choices: &[LoraChoice]) -> Vec<LoraWeight> {
    let weight = |choice: &LoraChoice| LoraWeight {
        name: choice.name.clone(),
        weight: choice.weight,
    };
    choices.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownLoras {
        let choice = |path: &str| LoraChoice::new(path.into(), 1.0);
        KnownLoras::new(vec![choice("ink.safetensors"), choice("lcm.safetensors")]).unwrap()
    }

    fn weight(name: &str, weight: f64) -> LoraWeight {
        LoraWeight {
            name: name.to_owned(),
            weight,
        }
    }

    #[test]
    fn what_is_not_named_is_off_and_the_order_stays() {
        let weights = |given: &[LoraWeight]| weights_of(&known().with_weights(given).unwrap());
        assert_eq!(
            weights(&[weight("lcm", 0.5)]),
            [weight("ink", 0.0), weight("lcm", 0.5)]
        );
        let both = [weight("ink", -1.0), weight("lcm", 0.5)];
        assert_eq!(weights(&both), both);
        assert_eq!(weights(&[both[1].clone(), both[0].clone()]), both);
    }

    #[test]
    fn unknown_names_and_names_given_twice_are_refused() {
        let message = |given: &[LoraWeight]| {
            let refused = known().with_weights(given);
            refused.unwrap_err().to_string()
        };
        let unknown = message(&[weight("inc", 1.0)]);
        assert!(
            unknown.contains("\"inc\"") && unknown.contains("ink, lcm"),
            "{unknown}"
        );
        let twice = message(&[weight("ink", 1.0), weight("ink", 0.5)]);
        assert!(twice.contains("\"ink\""), "{twice}");
        let choice = |path: &str| LoraChoice::new(path.into(), 1.0);
        let twins = KnownLoras::new(vec![
            choice("a/ink.safetensors"),
            choice("b/ink.safetensors"),
        ]);
        assert!(twins.unwrap_err().to_string().contains("\"ink\""));
    }
}
