//! Messages from server to client.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::{
    ChatLine, ControlInfo, Finish, MemberInfo, MemberNews, PaintLayer, Rect, RemovedMember, Role,
    RoomNews, ScheduleChoices, SequencedOp, Settings, SigmasChoice, TimestepSpacingChoice,
};

/// The model that a server paints with; also the body of `GET /v1/model`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ModelInfo {
    /// The folder's name.
    pub id: String,
    /// `sketch` (sees the sketch), `sd`, `lcm`, `turbo`, `sdxl`…
    pub family: String,
    /// The side of a window that the model was trained for, in pixels.
    pub native_size: u32,
    /// How many times smaller than it is the model may see a canvas, at least 1: what it makes of
    /// a window is then enlarged. Of 512 pixels a model of 256 that may see them twice as small
    /// sees the whole.
    pub largest_zoom: u32,
    /// `cpu`, `cuda:0`, `metal`; of a server with several `cuda:0,cuda:1`.
    pub device: String,
    /// `f32`, `f16`, `bf16`.
    pub dtype: String,
    /// The most steps that a client may ask for.
    pub max_steps: u32,
    /// True for models that look distilled without guidance: with a guidance scale above 1, which
    /// is allowed, pictures may look burnt.
    #[serde(default)]
    pub guidance_free: bool,
    /// The scheduler's class in the model's folder, such as `PNDMScheduler`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub scheduler: Option<String>,
    /// The samplers that can paint with this model, the default first.
    pub samplers: Vec<String>,
    /// What of the schedule can be chosen with which of them. Those that are not here have one of
    /// their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[ts(optional, as = "Option<BTreeMap<String, ScheduleChoices>>")]
    pub schedules: BTreeMap<String, ScheduleChoices>,
    /// What its pictures look best with: a room begins so.
    pub defaults: ModelDefaults,
    /// What can steer it by the sketch, where the server was started with any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<ControlInfo>>")]
    pub controls: Vec<ControlInfo>,
    /// What can show it a reference picture beside the prompt, where the server was started with any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<ControlInfo>>")]
    pub ip_adapters: Vec<ControlInfo>,
    /// True where a safety checker looks at every picture before anybody sees it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<bool>")]
    pub safety_checker: bool,
}

impl ModelInfo {
    /// What of the schedule can be chosen with a sampler.
    pub fn schedule_choices(&self, sampler: &str) -> &ScheduleChoices {
        static NONE: ScheduleChoices = ScheduleChoices::NONE;
        self.schedules.get(sampler).unwrap_or(&NONE)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a model's pictures look best with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ModelDefaults {
    /// Sampler name.
    pub sampler: String,
    /// Where that sampler's timesteps lie; `default` where it is left out.
    #[serde(default, skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<TimestepSpacingChoice>")]
    pub timestep_spacing: TimestepSpacingChoice,
    /// How that sampler's sigmas are spaced; `default` where it is left out.
    #[serde(default, skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<SigmasChoice>")]
    pub sigmas: SigmasChoice,
    /// Sampling steps.
    pub steps: u32,
    /// Classifier-free guidance scale.
    pub guidance_scale: f64,
    /// How far from a sketch, or an image to start from, the model may go, 0 … 1.
    pub strength: f64,
    /// How much of the seed's noise is used, 0 … 1.
    pub variation: f64,
    /// What pictures look as if they were made with.
    pub finish: Finish,
    /// How much of the finish is seen, 0 … 1.
    pub finish_strength: f64,
    /// What edits of an inverted photo look best with.
    pub photo: PhotoDefaults,
}

/// What edits of an inverted photo look best with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PhotoDefaults {
    /// Classifier-free guidance scale.
    pub guidance_scale: f64,
    /// How far from the photo an edit may go, 0 … 1.
    pub strength: f64,
    /// What edits look as if they were made with.
    pub finish: Finish,
}

/// Width and height of the canvas, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CanvasSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// The answer to `hello`; the picture follows as frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Welcome {
    /// [`super::PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The room's name.
    pub room: String,
    /// The id under which members know this client.
    #[ts(type = "string")]
    #[schemars(with = "String")]
    pub client: Uuid,
    /// What the client may do.
    pub role: Role,
    /// `seq` of the last op.
    #[ts(type = "number")]
    pub seq: u64,
    /// Size of the canvas.
    pub canvas: CanvasSize,
    /// The room's settings.
    pub settings: Settings,
    /// The room's layers, the lowest first.
    #[serde(default)]
    pub layers: Vec<PaintLayer>,
    /// The model.
    pub model: ModelInfo,
    /// Who is there, the client included.
    pub members: Vec<MemberInfo>,
    /// The inverted photo that is the base, if that is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub photo: Option<PhotoInfo>,
    /// True when what is acknowledged is on disk; false when the room is gone with the server.
    #[serde(default)]
    pub kept: bool,
    /// True while only owners may change anything.
    #[serde(default)]
    pub locked: bool,
    /// Who was removed and cannot come back, the last one last.
    #[serde(default)]
    pub removed: Vec<RemovedMember>,
    /// What was said last, in order.
    #[serde(default)]
    pub chat: Vec<ChatLine>,
}

/// How the inversion of a photo stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PhotoInfo {
    /// `seq` of the op that placed it.
    #[ts(type = "number")]
    pub seq: u64,
    /// The parts that are done, there and back.
    pub done: Vec<Rect>,
    /// The parts that are under way.
    pub running: Vec<PhotoPart>,
    /// Steps of the inversion of a part.
    pub steps: u32,
    /// Peak signal-to-noise ratio, in decibels, of the reconstruction over all that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub psnr_db: Option<f64>,
}

/// A part of a photo that is being inverted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PhotoPart {
    /// Where it lies.
    pub rect: Rect,
    /// Steps that are done; 0 also while it waits for its turn.
    pub step: u32,
}

/// Where a render stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum RenderState {
    /// The device began.
    Started,
    /// An inversion has come to `step`.
    Progress,
    /// It is in the picture; its frames go out now.
    Done,
    /// A newer render took its place.
    Superseded,
    /// It failed; `message` says why.
    Failed,
}

/// What a `render` message is about, where it is no painting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum RenderWork {
    /// A part of a photo is being inverted.
    Invert,
}

/// Milliseconds by stage: `queue`, `text`, `encode`, `denoise`, `decode`, `safety`, `finish`, `total`;
/// of a command that writes a file, `codec` too.
pub type TimingsMs = BTreeMap<String, f64>;

/// News of a render.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(optional_fields)]
pub struct RenderNews {
    /// Where it stands.
    pub state: RenderState,
    /// What it is, where it is no painting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<RenderWork>,
    /// Whose painting it is; an inversion is nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "string")]
    #[schemars(with = "Option<String>")]
    pub client: Option<Uuid>,
    /// `seq` of the last op that it includes.
    #[ts(type = "number")]
    pub rev: u64,
    /// The region that it may change; of an inversion, the part of the photo that it answers for.
    pub rect: Rect,
    /// Steps of an inversion that are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Sampling steps.
    pub steps: u32,
    /// Peak signal-to-noise ratio, in decibels, of what DDIM makes of the noise again against the
    /// photo, over all that is inverted; when an inversion is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psnr_db: Option<f64>,
    /// How long each stage took, when done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "Record<string, number>")]
    pub timings_ms: Option<TimingsMs>,
    /// What went wrong, when failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// True of a render that failed because the safety checker does not let its picture be shown:
    /// the same again would fail again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>")]
    pub held_back: bool,
}

/// What a room does without while the device has too much to do. It takes it back by itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(rename_all = "snake_case")]
pub enum StrainLevel {
    /// Nothing.
    #[default]
    Calm,
    /// What is seen while a hand moves has fewer steps.
    FewerSteps,
    /// It has one step, and smaller windows.
    SmallWindows,
    /// Nothing is rendered before the hand lifts, and `render` is refused with `busy`.
    Busy,
}

/// A refusal, with a stable `code`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(optional_fields)]
pub struct ErrorMessage {
    /// One of [`super::ErrorCode`].
    pub code: super::ErrorCode,
    /// One sentence that says what to do.
    pub message: String,
    /// The stroke that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorMessage {
    /// A refusal with a code and a sentence, about no stroke in particular.
    pub fn new(code: super::ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            id: None,
            retry_after_ms: None,
        }
    }

    /// The same refusal, about the stroke `id`.
    #[must_use]
    pub fn about(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

/// A text frame from server to client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerMessage {
    /// The answer to `hello`.
    Welcome(Box<Welcome>),
    /// The op is accepted.
    Ack {
        /// The stroke's id, for strokes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        id: Option<String>,
        /// Its place in the order.
        #[ts(type = "number")]
        seq: u64,
    },
    /// An accepted op, to every member, in order.
    Op(SequencedOp),
    /// News of a render.
    Render(RenderNews),
    /// What the room does without from now on.
    Strain {
        /// How much.
        level: StrainLevel,
    },
    /// News of a member.
    Member(MemberNews),
    /// News of the room: whether it is locked, and who is kept out.
    Room(RoomNews),
    /// Somebody said something.
    Chat(ChatLine),
    /// A refusal.
    Error(ErrorMessage),
    /// The answer to `ping`.
    Pong {
        /// As it was sent.
        t: f64,
    },
    /// The server is about to close.
    Goaway {
        /// Why.
        reason: String,
        /// When to come back.
        #[ts(type = "number")]
        retry_after_ms: u64,
    },
}
