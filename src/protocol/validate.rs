//! What every message is held to before the room sees it.

use super::{
    Brush, ClientMessage, ErrorCode, ErrorMessage, Gradient, Hello, LayerChange, MAX_BRUSH_SIZE,
    MAX_CHAT_CHARS, MAX_CONTROL_SCALE, MAX_COORDINATE, MAX_GUIDANCE_SCALE, MAX_ID_CHARS,
    MAX_NAME_CHARS, MAX_POINTS, MAX_PROMPT_CHARS, MAX_SPREAD, MAX_TOKEN_CHARS, MIN_BRUSH_SIZE,
    MIN_FLOW, MIN_STRENGTH, PlaceMode, Placement, Presence, RenderRequest, SEED_LIMIT,
    SettingsPatch, StrokeChunk, Tool,
};

type Checked = Result<(), ErrorMessage>;

/// Checks the ranges of a message's numbers and the lengths of its texts.
///
/// Points outside the canvas are fine: their paint is clipped. What depends on the model
/// (`max_steps`, sampler names) is checked by the room.
///
/// # Errors
/// `invalid_value` with one sentence that names the field and its range.
pub fn validate_client_message(message: &ClientMessage) -> Checked {
    match message {
        ClientMessage::Hello(hello) => validate_hello(hello),
        ClientMessage::Stroke(chunk) => {
            let id: String = chunk.id.chars().take(MAX_ID_CHARS).collect();
            validate_stroke(chunk).map_err(|error| error.about(id))
        }
        ClientMessage::Settings(patch) => validate_settings(patch),
        ClientMessage::Layer(change) => validate_layer(change),
        ClientMessage::Render(request) => validate_render(request),
        ClientMessage::Place(placement) => validate_placement(placement),
        ClientMessage::Presence(presence) => validate_presence(presence),
        ClientMessage::Chat { text: said } => text("text", said, MAX_CHAT_CHARS),
        ClientMessage::Ping { t } => number("t", *t, f64::MIN, f64::MAX),
        // Which `seq` and which layers there are, and who is here, the room knows.
        ClientMessage::Apply {}
        | ClientMessage::Cancel {}
        | ClientMessage::Undo {}
        | ClientMessage::Redo {}
        | ClientMessage::Revert { .. }
        | ClientMessage::Role { .. }
        | ClientMessage::Remove { .. }
        | ClientMessage::Admit { .. }
        | ClientMessage::Lock { .. } => Ok(()),
    }
}

fn validate_hello(hello: &Hello) -> Checked {
    if let Some(name) = &hello.name {
        text("name", name, MAX_NAME_CHARS)?;
    }
    if let Some(token) = &hello.token {
        text("token", token, MAX_TOKEN_CHARS)?;
    }
    Ok(())
}

fn validate_presence(presence: &Presence) -> Checked {
    coordinate("x", presence.x)?;
    coordinate("y", presence.y)?;
    let Some([x, y, width, height]) = presence.view else {
        return Ok(());
    };
    let most = f64::from(MAX_COORDINATE);
    number("view: x", f64::from(x), -most, most)?;
    number("view: y", f64::from(y), -most, most)?;
    number("view: width", f64::from(width), 1.0, most)?;
    number("view: height", f64::from(height), 1.0, most)
}

fn validate_stroke(chunk: &StrokeChunk) -> Checked {
    identifier("id", &chunk.id)?;
    if let Some(brush) = &chunk.brush {
        validate_brush(brush)?;
    }
    if chunk.points.len() > MAX_POINTS {
        return refuse(format!(
            "`points` may hold {MAX_POINTS} points at most; send more messages."
        ));
    }
    if chunk.points.is_empty() && !chunk.done {
        return refuse("`points` may be empty only in the message that is `done`.");
    }
    for [x, y, pressure] in &chunk.points {
        coordinate("points: x", *x)?;
        coordinate("points: y", *y)?;
        number("points: pressure", f64::from(*pressure), 0.0, 1.0)?;
    }
    Ok(())
}

fn validate_brush(brush: &Brush) -> Checked {
    let size = f64::from(brush.size);
    number(
        "size",
        size,
        f64::from(MIN_BRUSH_SIZE),
        f64::from(MAX_BRUSH_SIZE),
    )?;
    number("hardness", f64::from(brush.hardness), 0.0, 1.0)?;
    number("opacity", f64::from(brush.opacity), 0.0, 1.0)?;
    color("color", &brush.color)?;
    if let Some(angle) = brush.angle {
        number("angle", f64::from(angle), -360.0, 360.0)?;
    }
    if let Some(flow) = brush.flow {
        number("flow", f64::from(flow), f64::from(MIN_FLOW), 1.0)?;
    }
    if let Some(gradient) = &brush.gradient {
        validate_gradient(gradient)?;
    }
    if let Some(strength) = brush.strength {
        number("strength", f64::from(strength), 0.0, 1.0)?;
    }
    match brush.tool {
        Tool::Smudge if brush.gradient.is_some() => {
            return refuse("A smudge has no colours of its own: leave `gradient` out.");
        }
        Tool::Smudge => {}
        _ if brush.strength.is_some() => {
            return refuse("`strength` belongs to the tool `smudge`: leave it out.");
        }
        _ => {}
    }
    match &brush.prompt {
        Some(prompt) => text("prompt", prompt, MAX_PROMPT_CHARS),
        None => Ok(()),
    }
}

fn validate_gradient(gradient: &Gradient) -> Checked {
    for [x, y] in [gradient.from, gradient.to] {
        coordinate("gradient: x", x)?;
        coordinate("gradient: y", y)?;
    }
    if gradient.from == gradient.to {
        return refuse("`gradient` ends where it begins; give `from` and `to` two places.");
    }
    match &gradient.color {
        Some(to) => color("gradient: color", to),
        None => Ok(()),
    }
}

fn color(field: &str, text: &str) -> Checked {
    let digits = text.strip_prefix('#').unwrap_or_default();
    if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return refuse(format!(
            "`{field}` is `#` and six hexadecimal digits, as in `#e03020`."
        ));
    }
    Ok(())
}

fn validate_settings(patch: &SettingsPatch) -> Checked {
    if let Some(prompt) = &patch.prompt {
        text("prompt", prompt, MAX_PROMPT_CHARS)?;
    }
    if let Some(prompt) = &patch.negative_prompt {
        text("negative_prompt", prompt, MAX_PROMPT_CHARS)?;
    }
    if let Some(scale) = patch.guidance_scale {
        number("guidance_scale", scale, 0.0, MAX_GUIDANCE_SCALE)?;
    }
    if let Some(rescale) = patch.guidance_rescale {
        number("guidance_rescale", rescale, 0.0, 1.0)?;
    }
    if let Some(scale) = patch.image_guidance_scale {
        number("image_guidance_scale", scale, 0.0, MAX_GUIDANCE_SCALE)?;
    }
    if let Some(strength) = patch.strength {
        number("strength", strength, MIN_STRENGTH, 1.0)?;
    }
    if let Some(variation) = patch.variation {
        number("variation", variation, 0.0, 1.0)?;
    }
    if let Some(strength) = patch.finish_strength {
        number("finish_strength", strength, 0.0, 1.0)?;
    }
    if let Some(scale) = patch.control_scale {
        number("control_scale", scale, 0.0, MAX_CONTROL_SCALE)?;
    }
    if let Some(start) = patch.control_start {
        number("control_start", start, 0.0, 1.0)?;
    }
    if let Some(end) = patch.control_end {
        number("control_end", end, 0.0, 1.0)?;
    }
    if let Some(control) = &patch.control {
        text("control", control, MAX_NAME_CHARS)?;
    }
    for (name, value) in [
        ("reference_scale", patch.reference_scale),
        ("reference_start", patch.reference_start),
        ("reference_end", patch.reference_end),
    ] {
        if let Some(value) = value {
            number(name, value, 0.0, 1.0)?;
        }
    }
    if let Some(ip_adapter) = &patch.ip_adapter {
        text("ip_adapter", ip_adapter, MAX_NAME_CHARS)?;
    }
    if let Some(reference) = &patch.reference {
        text("reference", reference, MAX_ID_CHARS)?;
    }
    if patch.steps == Some(0) {
        return refuse("`steps` is 1 or more.");
    }
    if patch.seed.is_some_and(|seed| seed >= SEED_LIMIT) {
        return refuse("`seed` is a whole number below 2^53.");
    }
    if patch.spread.is_some_and(|spread| spread > MAX_SPREAD) {
        return refuse(format!("`spread` is 0 to {MAX_SPREAD} canvas pixels."));
    }
    match &patch.sampler {
        Some(sampler) => text("sampler", sampler, MAX_NAME_CHARS),
        None => Ok(()),
    }
}

fn validate_layer(change: &LayerChange) -> Checked {
    let (name, opacity) = match change {
        LayerChange::Add(wanted) => (&wanted.name, None),
        LayerChange::Set(patch) => (&patch.name, patch.opacity),
        LayerChange::Move { .. } | LayerChange::Remove { .. } => (&None, None),
    };
    if let Some(name) = name {
        text("name", name, MAX_NAME_CHARS)?;
    }
    match opacity {
        Some(opacity) => number("opacity", opacity, 0.0, 1.0),
        None => Ok(()),
    }
}

fn validate_placement(placement: &Placement) -> Checked {
    identifier("image", &placement.image)?;
    if let Some(prompt) = &placement.prompt {
        text("prompt", prompt, MAX_PROMPT_CHARS)?;
    }
    match (placement.mode, placement.layer) {
        (PlaceMode::Invert, Some(_)) => refuse(
            "Only the base is inverted: leave `layer` out, or place the image with the mode `plain`.",
        ),
        _ => Ok(()),
    }
}

fn validate_render(request: &RenderRequest) -> Checked {
    if request.rect.is_some_and(|rect| rect.is_empty()) {
        return refuse("`rect` needs a width and a height of 1 or more.");
    }
    if request.steps == Some(0) {
        return refuse("`steps` is 1 or more.");
    }
    Ok(())
}

fn coordinate(name: &str, value: f32) -> Checked {
    number(
        name,
        f64::from(value),
        -f64::from(MAX_COORDINATE),
        f64::from(MAX_COORDINATE),
    )
}

fn number(name: &str, value: f64, least: f64, most: f64) -> Checked {
    // A NaN is in no range, an infinity in no finite one.
    if (least..=most).contains(&value) {
        return Ok(());
    }
    refuse(format!("`{name}` is a number from {least} to {most}."))
}

fn text(name: &str, value: &str, most: usize) -> Checked {
    if value.chars().count() <= most {
        return Ok(());
    }
    refuse(format!("`{name}` may have {most} characters at most."))
}

fn identifier(name: &str, value: &str) -> Checked {
    if value.is_empty() {
        return refuse(format!("`{name}` may not be empty."));
    }
    text(name, value, MAX_ID_CHARS)
}

fn refuse(message: impl Into<String>) -> Checked {
    Err(ErrorMessage::new(ErrorCode::InvalidValue, message))
}
