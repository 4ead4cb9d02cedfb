//! LoRAs as `GET` and `PUT /v1/loras` speak of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the server's LoRAs and how much of it is in the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoraWeight {
    /// What the server calls it.
    pub name: String,
    /// 1 is what it was trained for, 0 is off; other numbers, negative ones too, are allowed.
    pub weight: f64,
}

/// The server's LoRAs. Those that a client leaves out are off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoraWeights {
    /// In the order in which the server was given them.
    pub loras: Vec<LoraWeight>,
}
