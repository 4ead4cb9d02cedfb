//! The wire protocol by its bytes: what other clients rely on.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use bytes::Bytes;
use impasto::model::{Defaults, Family};
use impasto::protocol::*;
use serde_json::{Value, json};
use uuid::Uuid;

const CLIENT: &str = "00000000-0000-0000-0000-000000000001";

fn decoded(message: Value) -> ClientMessage {
    decode_client_message(&message.to_string()).unwrap()
}

fn refused(text: &str) -> ErrorCode {
    decode_client_message(text).unwrap_err().code
}

#[test]
fn every_client_message_is_read_and_written_the_same() {
    let messages = [
        json!({"type":"hello","protocol":1,"client":CLIENT,"token":"t","name":"Ada","last_seq":5}),
        json!({"type":"hello","protocol":1,"client":CLIENT}),
        json!({"type":"stroke","id":"s1","tool":"brush","size":12.5,"hardness":0.5,"opacity":1.0,
            "color":"#e03020","prompt":"a boat","points":[[1.0,-2.5,0.5]],"done":false}),
        json!({"type":"stroke","id":"s1","points":[],"done":true}),
        json!({"type":"settings","prompt":"sea","negative_prompt":"fog","guidance_scale":1.5,
            "steps":2,"strength":0.5,"seed":9007199254740991u64,"sampler":"lcm","spread":16,
            "live":true,"method":"infedit"}),
        json!({"type":"settings","guidance_rescale":0.7,"image_guidance_scale":1.5}),
        json!({"type":"settings","timestep_spacing":"trailing","sigmas":"karras"}),
        json!({"type":"settings","timestep_spacing":"default","sigmas":"default"}),
        json!({"type":"settings","control":"lines","control_preprocess":"ink",
            "control_scale":0.8,"control_start":0.25,"control_end":0.75}),
        json!({"type":"settings","ip_adapter":"plus","reference":"5c2f1d9e","reference_scale":0.8,
            "reference_start":0.25,"reference_end":0.75}),
        json!({"type":"settings"}),
        json!({"type":"stroke","id":"s2","tool":"erase","size":4.0,"hardness":1.0,"opacity":1.0,
            "color":"#000000","layer":12,"points":[[1.0,2.0,1.0]],"done":true}),
        json!({"type":"layer","action":"add","name":"Shadows","above":0}),
        json!({"type":"layer","action":"add"}),
        json!({"type":"layer","action":"set","layer":12,"name":"Light","visible":false,
            "opacity":0.5,"blend":"soft-light","locked":true,"alpha_locked":true,"seen":false,
            "continues":true}),
        json!({"type":"layer","action":"move","layer":12,"above":3}),
        json!({"type":"layer","action":"remove","layer":12}),
        json!({"type":"render","rect":[0,1,64,32],"steps":4}),
        json!({"type":"render"}),
        json!({"type":"apply"}),
        json!({"type":"place","image":"i","mode":"plain"}),
        json!({"type":"place","image":"i","mode":"invert","prompt":"a house"}),
        json!({"type":"place","image":"i","mode":"plain","layer":12,"continues":true}),
        json!({"type":"layer","action":"add","continues":true}),
        json!({"type":"cancel"}),
        json!({"type":"undo"}),
        json!({"type":"redo"}),
        json!({"type":"revert","seq":12}),
        json!({"type":"presence","x":1.5,"y":-3.0,"tool":"erase"}),
        json!({"type":"presence","x":1.5,"y":-3.0}),
        json!({"type":"presence","x":1.5,"y":-3.0,"view":[-100,-50,800,600]}),
        json!({"type":"chat","text":"a boat?"}),
        json!({"type":"role","client":CLIENT,"role":"owner"}),
        json!({"type":"remove","client":CLIENT}),
        json!({"type":"admit","client":CLIENT}),
        json!({"type":"lock","locked":true}),
        json!({"type":"ping","t":12.5}),
    ];
    for message in messages {
        let read = decoded(message.clone());
        assert_eq!(serde_json::to_value(&read).unwrap(), message);
        assert_eq!(
            serde_json::from_value::<ClientMessage>(message).unwrap(),
            read
        );
    }
}

#[test]
fn a_stroke_may_leave_done_out() {
    let ClientMessage::Stroke(chunk) =
        decoded(json!({"type":"stroke","id":"a","points":[[0,0,1]]}))
    else {
        panic!("another message");
    };
    assert_eq!(
        (chunk.done, chunk.brush, chunk.points),
        (false, None, vec![[0.0, 0.0, 1.0]])
    );
}

#[test]
fn server_messages_are_written_exactly_so() {
    let client = Uuid::from_u128(1);
    let settings = Settings {
        prompt: "p".to_owned(),
        negative_prompt: String::new(),
        guidance_scale: 1.0,
        guidance_rescale: None,
        image_guidance_scale: None,
        steps: 2,
        strength: 0.5,
        seed: 3,
        variation: 0.0,
        sampler: "lcm".to_owned(),
        timestep_spacing: impasto::protocol::TimestepSpacingChoice::Default,
        sigmas: impasto::protocol::SigmasChoice::Default,
        spread: 16,
        live: true,
        method: EditMethod::EditFriendly,
        finish: Finish::None,
        finish_strength: 1.0,
        control: String::new(),
        control_preprocess: impasto::protocol::ControlPreprocess::default(),
        control_scale: 1.0,
        control_start: 0.0,
        control_end: 1.0,
        ip_adapter: String::new(),
        reference: String::new(),
        reference_scale: 0.6,
        reference_start: 0.0,
        reference_end: 1.0,
    };
    let model = ModelInfo {
        id: "storybook".to_owned(),
        family: "sketch".to_owned(),
        native_size: 256,
        largest_zoom: 1,
        device: "cpu".to_owned(),
        dtype: "f32".to_owned(),
        max_steps: 50,
        guidance_free: false,
        scheduler: None,
        samplers: vec!["lcm".to_owned()],
        schedules: std::collections::BTreeMap::new(),
        defaults: Defaults::of_family(Family::Sketch, false).with_sampler("lcm"),
        controls: Vec::new(),
        ip_adapters: Vec::new(),
        safety_checker: false,
    };
    let ada = MemberInfo {
        client,
        name: "Ada".to_owned(),
        role: Role::Owner,
        hue: 210,
    };
    let line = ChatLine {
        number: 3,
        client,
        name: "Ada".to_owned(),
        hue: 210,
        text: "a boat?".to_owned(),
        age_ms: 1500,
    };
    let removed = vec![RemovedMember {
        client,
        name: "Ada".to_owned(),
    }];
    let welcome = Welcome {
        protocol: 1,
        room: "studio".to_owned(),
        client,
        role: Role::Editor,
        seq: 4,
        canvas: CanvasSize {
            width: 512,
            height: 256,
        },
        settings,
        layers: vec![
            PaintLayer::new(0, "Layer 1", None),
            PaintLayer {
                blend: BlendMode::Multiply,
                locked: true,
                locked_by: Some(client),
                ..PaintLayer::new(3, "Shadows", Some(client))
            },
        ],
        model,
        members: vec![ada.clone()],
        photo: None,
        kept: true,
        locked: true,
        removed: removed.clone(),
        chat: vec![line.clone()],
    };
    let mut over_photo = welcome.clone();
    over_photo.locked = false;
    over_photo.removed.clear();
    over_photo.chat.clear();
    over_photo.photo = Some(PhotoInfo {
        seq: 4,
        done: vec![Rect::new(0, 0, 256, 256)],
        running: vec![PhotoPart {
            rect: Rect::new(256, 0, 256, 256),
            step: 7,
        }],
        steps: 25,
        psnr_db: Some(31.5),
    });
    let mask = SequencedOp::new(
        6,
        client,
        Op::Mask {
            rect: Rect::new(0, 0, 64, 64),
        },
    );
    let undo = SequencedOp {
        seq: 7,
        client,
        op: Op::Undo { target: 5 },
        switches: vec![Switch {
            entry: 5,
            active: false,
        }],
        settings: None,
        layers: None,
    };
    let news = RenderNews {
        state: RenderState::Done,
        work: None,
        client: Some(client),
        step: None,
        psnr_db: None,
        rev: 6,
        rect: Rect::new(0, 0, 64, 64),
        steps: 2,
        timings_ms: Some([("total".to_owned(), 1.5)].into()),
        message: None,
        held_back: false,
    };
    let inverting = RenderNews {
        state: RenderState::Progress,
        work: Some(RenderWork::Invert),
        client: None,
        rev: 6,
        rect: Rect::new(0, 0, 64, 64),
        step: Some(3),
        steps: 25,
        psnr_db: Some(31.5),
        timings_ms: None,
        message: None,
        held_back: false,
    };
    let presence = Presence {
        x: 1.0,
        y: 2.0,
        tool: Some(Tool::Mask),
        view: Some([-10, 0, 800, 600]),
    };
    let cases = [
        (
            ServerMessage::Welcome(Box::new(welcome)),
            json!({"type":"welcome","protocol":1,"room":"studio","client":CLIENT,"role":"editor",
                "seq":4,"canvas":{"width":512,"height":256},
                "settings":{"prompt":"p","negative_prompt":"","guidance_scale":1.0,"steps":2,
                    "strength":0.5,"seed":3,"variation":0.0,"sampler":"lcm",
                    "timestep_spacing":"default","sigmas":"default","spread":16,"live":true,
                    "method":"edit-friendly","finish":"none","finish_strength":1.0,
                    "control":"","control_preprocess":"xdog","control_scale":1.0,
                    "control_start":0.0,"control_end":1.0,
                    "ip_adapter":"","reference":"","reference_scale":0.6,"reference_start":0.0,
                    "reference_end":1.0},
                "model":{"id":"storybook","family":"sketch","native_size":256,"largest_zoom":1,"device":"cpu",
                    "dtype":"f32","max_steps":50,"guidance_free":false,"samplers":["lcm"],
                    "defaults":{"sampler":"lcm","steps":2,"guidance_scale":1.0,"strength":1.0,
                        "variation":0.0,"finish":"none","finish_strength":1.0,
                        "photo":{"guidance_scale":3.0,"strength":0.7,"finish":"none"}}},
                "members":[{"client":CLIENT,"name":"Ada","role":"owner","hue":210}],"kept":true,
                "layers":[{"id":0,"name":"Layer 1","visible":true,"opacity":1.0,"blend":"normal","locked":false,"alpha_locked":false,"seen":true},
                    {"id":3,"name":"Shadows","owner":CLIENT,"visible":true,"opacity":1.0,"blend":"multiply","locked":true,
                    "locked_by":CLIENT,"alpha_locked":false,"seen":true}],
                "locked":true,"removed":[{"client":CLIENT,"name":"Ada"}],
                "chat":[{"number":3,"client":CLIENT,"name":"Ada","hue":210,"text":"a boat?",
                    "age_ms":1500}]}),
        ),
        (
            ServerMessage::Welcome(Box::new(over_photo)),
            json!({"type":"welcome","protocol":1,"room":"studio","client":CLIENT,"role":"editor",
                "seq":4,"canvas":{"width":512,"height":256},
                "settings":{"prompt":"p","negative_prompt":"","guidance_scale":1.0,"steps":2,
                    "strength":0.5,"seed":3,"variation":0.0,"sampler":"lcm",
                    "timestep_spacing":"default","sigmas":"default","spread":16,"live":true,
                    "method":"edit-friendly","finish":"none","finish_strength":1.0,
                    "control":"","control_preprocess":"xdog","control_scale":1.0,
                    "control_start":0.0,"control_end":1.0,
                    "ip_adapter":"","reference":"","reference_scale":0.6,"reference_start":0.0,
                    "reference_end":1.0},
                "model":{"id":"storybook","family":"sketch","native_size":256,"largest_zoom":1,"device":"cpu",
                    "dtype":"f32","max_steps":50,"guidance_free":false,"samplers":["lcm"],
                    "defaults":{"sampler":"lcm","steps":2,"guidance_scale":1.0,"strength":1.0,
                        "variation":0.0,"finish":"none","finish_strength":1.0,
                        "photo":{"guidance_scale":3.0,"strength":0.7,"finish":"none"}}},
                "members":[{"client":CLIENT,"name":"Ada","role":"owner","hue":210}],
                "photo":{"seq":4,"done":[[0,0,256,256]],"running":[{"rect":[256,0,256,256],"step":7}],
                    "steps":25,"psnr_db":31.5},"kept":true,
                "layers":[{"id":0,"name":"Layer 1","visible":true,"opacity":1.0,"blend":"normal","locked":false,"alpha_locked":false,"seen":true},
                    {"id":3,"name":"Shadows","owner":CLIENT,"visible":true,"opacity":1.0,"blend":"multiply","locked":true,
                    "locked_by":CLIENT,"alpha_locked":false,"seen":true}],
                "locked":false,"removed":[],"chat":[]}),
        ),
        (
            ServerMessage::Ack {
                id: Some("s1".to_owned()),
                seq: 7,
            },
            json!({"type":"ack","id":"s1","seq":7}),
        ),
        (
            ServerMessage::Ack { id: None, seq: 7 },
            json!({"type":"ack","seq":7}),
        ),
        (
            ServerMessage::Op(mask),
            json!({"type":"op","seq":6,"client":CLIENT,"op":{"type":"mask","rect":[0,0,64,64]}}),
        ),
        (
            ServerMessage::Op(undo),
            json!({"type":"op","seq":7,"client":CLIENT,"op":{"type":"undo","target":5},
                "switches":[{"entry":5,"active":false}]}),
        ),
        (
            ServerMessage::Render(news),
            json!({"type":"render","state":"done","client":CLIENT,"rev":6,"rect":[0,0,64,64],"steps":2,
                "timings_ms":{"total":1.5}}),
        ),
        (
            ServerMessage::Render(inverting),
            json!({"type":"render","state":"progress","work":"invert","rev":6,
                "rect":[0,0,64,64],"step":3,"steps":25,"psnr_db":31.5}),
        ),
        (
            ServerMessage::Member(MemberNews::Joined(ada)),
            json!({"type":"member","event":"joined","client":CLIENT,"name":"Ada","role":"owner",
                "hue":210}),
        ),
        (
            ServerMessage::Member(MemberNews::Left {
                client,
                removed_by: None,
            }),
            json!({"type":"member","event":"left","client":CLIENT}),
        ),
        (
            ServerMessage::Member(MemberNews::Left {
                client,
                removed_by: Some(client),
            }),
            json!({"type":"member","event":"left","client":CLIENT,"removed_by":CLIENT}),
        ),
        (
            ServerMessage::Member(MemberNews::Role {
                client,
                role: Role::Viewer,
                by: client,
            }),
            json!({"type":"member","event":"role","client":CLIENT,"role":"viewer","by":CLIENT}),
        ),
        (
            ServerMessage::Room(RoomNews {
                locked: true,
                removed,
                by: client,
            }),
            json!({"type":"room","locked":true,"removed":[{"client":CLIENT,"name":"Ada"}],
                "by":CLIENT}),
        ),
        (
            ServerMessage::Chat(line),
            json!({"type":"chat","number":3,"client":CLIENT,"name":"Ada","hue":210,
                "text":"a boat?","age_ms":1500}),
        ),
        (
            ServerMessage::Member(MemberNews::Presence { client, presence }),
            json!({"type":"member","event":"presence","client":CLIENT,"x":1.0,"y":2.0,
                "tool":"mask","view":[-10,0,800,600]}),
        ),
        (
            ServerMessage::Error(ErrorMessage::new(ErrorCode::UnknownStroke, "m").about("s1")),
            json!({"type":"error","code":"unknown_stroke","message":"m","id":"s1"}),
        ),
        (
            ServerMessage::Pong { t: 2.5 },
            json!({"type":"pong","t":2.5}),
        ),
        (
            ServerMessage::Goaway {
                reason: "r".to_owned(),
                retry_after_ms: 9,
            },
            json!({"type":"goaway","reason":"r","retry_after_ms":9}),
        ),
    ];
    for (message, wanted) in cases {
        assert_eq!(serde_json::to_value(&message).unwrap(), wanted);
        assert_eq!(
            serde_json::from_value::<ServerMessage>(wanted).unwrap(),
            message
        );
    }
}

#[test]
fn a_frame_is_its_length_its_header_and_its_image() {
    let header = FrameHeader {
        rev: 12,
        rect: Rect::new(1, 2, 3, 4),
        step: 2,
        steps: 2,
        is_final: true,
        format: FrameFormat::Png,
        layer: Layer::Result,
    };
    let frame = encode_frame(&header, b"image").unwrap();
    let json = br#"{"type":"frame","rev":12,"rect":[1,2,3,4],"step":2,"steps":2,"final":true,"format":"png","layer":"result"}"#;
    assert_eq!(frame[..4], (json.len() as u32).to_le_bytes());
    assert_eq!(&frame[4..4 + json.len()], json);
    assert_eq!(&frame[4 + json.len()..], b"image");
    let (read, image) = decode_frame(&frame).unwrap();
    assert_eq!((read, &image[..]), (header, &b"image"[..]));
}

#[test]
fn what_is_no_frame_is_an_error() {
    let truncated: [&'static [u8]; 4] = [b"", b"\x01\0", b"\x08\0\0\0{}", b"\xff\xff\xff\xff{}"];
    for bytes in truncated {
        assert!(matches!(
            decode_frame(&Bytes::from_static(bytes)),
            Err(FrameError::Truncated)
        ));
    }
    let no_header = Bytes::from_static(b"\x02\0\0\0{}");
    assert!(matches!(
        decode_frame(&no_header),
        Err(FrameError::Header(_))
    ));
}

#[test]
fn malformed_messages() {
    let deep = "[".repeat(10_000);
    let cases = [
        "",
        "{",
        "null",
        "[]",
        "42",
        r#""hello""#,
        "{}",
        r#"{"type":5}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"ping","t":"now"}"#,
        r#"{"type":"ping","t":NaN}"#,
        r#"{"type":"hello","protocol":1}"#,
        r#"{"type":"stroke","points":[]}"#,
        r#"{"type":"stroke","id":"a"}"#,
        r#"{"type":"stroke","id":"a","points":[[1,2]]}"#,
        r#"{"type":"stroke","id":"a","tool":"brush","points":[[1,2,1]]}"#,
        r#"{"type":"stroke","id":"a","points":[[1,2,1]],"done":1}"#,
        r#"{"type":"settings","promt":"a"}"#,
        r#"{"type":"place","image":"a"}"#,
        r#"{"type":"render","rect":[1,2,3]}"#,
        r#"{"type":"layer"}"#,
        r#"{"type":"layer","action":"remove"}"#,
        r#"{"type":"layer","action":"set","layer":1,"colour":"red"}"#,
        r#"{"type":"revert"}"#,
        r#"{"type":"revert","seq":"first"}"#,
        r#"{"type":"chat"}"#,
        r#"{"type":"chat","text":7}"#,
        r#"{"type":"lock","locked":1}"#,
        r#"{"type":"remove"}"#,
        r#"{"type":"presence","x":1,"y":1,"view":[1,2,3]}"#,
        deep.as_str(),
    ];
    for text in cases {
        assert_eq!(refused(text), ErrorCode::MalformedMessage, "{text}");
    }
}

#[test]
fn unknown_types() {
    for name in ["", "Hello", "strokes", "welcome", "💥"] {
        let text = json!({"type": name}).to_string();
        assert_eq!(refused(&text), ErrorCode::UnknownType, "{name}");
    }
}

#[test]
fn values_out_of_range() {
    let first = |field: &str, value: &str| {
        let mut stroke = json!({"type":"stroke","id":"a","tool":"brush","size":10,"hardness":1,
            "opacity":1,"color":"#000000","points":[[1,1,1]]});
        stroke[field] = json!("VALUE");
        stroke.to_string().replace("\"VALUE\"", value)
    };
    let setting = |field: &str, value: &str| format!(r#"{{"type":"settings","{field}":{value}}}"#);
    let long = |count: usize| format!("\"{}\"", "é".repeat(count));
    let many = format!("[{}]", vec!["[1,1,1]"; 2001].join(","));
    let cases = [
        first("size", "0.4"),
        first("size", "2049"),
        first("size", "-1"),
        first("size", "1e999"),
        first("size", "null"),
        first("hardness", "1.1"),
        first("opacity", "-0.1"),
        first("color", "\"red\""),
        first("color", "\"#12345\""),
        first("color", "\"#12345é\""),
        first("tool", "\"pencil\""),
        first("prompt", &long(1001)),
        first("id", "\"\""),
        first("id", &long(65)),
        first("points", "[]"),
        first("points", "[[1e999,1,1]]"),
        first("points", "[[1e39,1,1]]"),
        first("points", "[[100001,1,1]]"),
        first("points", "[[1,-100001,1]]"),
        first("points", "[[1,null,1]]"),
        first("points", "[[1,1,1.5]]"),
        first("points", "[[1,1,-0.5]]"),
        first("points", &many),
        setting("steps", "0"),
        setting("steps", "-1"),
        setting("steps", "2.5"),
        setting("steps", "4294967296"),
        setting("guidance_scale", "30.1"),
        setting("guidance_scale", "-1"),
        setting("guidance_rescale", "1.1"),
        setting("image_guidance_scale", "-0.5"),
        setting("control_scale", "2.1"),
        setting("control_start", "-0.1"),
        setting("control_end", "1.1"),
        setting("reference_scale", "1.1"),
        setting("reference_start", "-0.1"),
        setting("reference_end", "1.1"),
        setting("strength", "0"),
        setting("strength", "1.01"),
        setting("seed", "9007199254740992"),
        setting("seed", "-1"),
        setting("seed", "1e30"),
        setting("spread", "257"),
        setting("prompt", &long(1001)),
        setting("sampler", &long(65)),
        setting("timestep_spacing", r#""even""#),
        setting("sigmas", r#""lu""#),
        r#"{"type":"render","rect":[0,0,0,4]}"#.to_owned(),
        r#"{"type":"render","rect":[-1,0,4,4]}"#.to_owned(),
        r#"{"type":"render","steps":0}"#.to_owned(),
        r#"{"type":"presence","x":1e6,"y":0}"#.to_owned(),
        r#"{"type":"presence","x":0,"y":0,"view":[0,0,0,9]}"#.to_owned(),
        r#"{"type":"presence","x":0,"y":0,"view":[0,0,9,100001]}"#.to_owned(),
        r#"{"type":"presence","x":0,"y":0,"view":[-100001,0,9,9]}"#.to_owned(),
        r#"{"type":"presence","x":0,"y":0,"view":[0.5,0,9,9]}"#.to_owned(),
        format!(r#"{{"type":"chat","text":{}}}"#, long(501)),
        r#"{"type":"remove","client":"me"}"#.to_owned(),
        format!(r#"{{"type":"role","client":"{CLIENT}","role":"king"}}"#),
        r#"{"type":"place","image":"","mode":"plain"}"#.to_owned(),
        r#"{"type":"place","image":"a","mode":"sideways"}"#.to_owned(),
        r#"{"type":"place","image":"a","mode":"invert","layer":0}"#.to_owned(),
        r#"{"type":"place","image":"a","mode":"plain","layer":-1}"#.to_owned(),
        r#"{"type":"layer","action":"fold"}"#.to_owned(),
        r#"{"type":"layer","action":"set","layer":1,"blend":"dodge"}"#.to_owned(),
        r#"{"type":"layer","action":"set","layer":1,"opacity":1.5}"#.to_owned(),
        format!(r#"{{"type":"layer","action":"add","name":{}}}"#, long(65)),
        r#"{"type":"revert","seq":-1}"#.to_owned(),
        r#"{"type":"revert","seq":1.5}"#.to_owned(),
        r#"{"type":"hello","protocol":1,"client":"me"}"#.to_owned(),
        format!(
            r#"{{"type":"hello","protocol":1,"client":"{CLIENT}","name":{}}}"#,
            long(65)
        ),
    ];
    for text in cases {
        assert_eq!(refused(&text), ErrorCode::InvalidValue, "{text:.200}");
    }
}

#[test]
fn the_limits_themselves_are_fine() {
    let many = vec![json!([-100_000, 100_000, 0]); MAX_POINTS];
    decoded(json!({"type":"stroke","id":"é".repeat(64),"points":many}));
    decoded(
        json!({"type":"settings","prompt":"é".repeat(1000),"steps":1000,"guidance_scale":30,
        "strength":0.01,"seed":0,"spread":256}),
    );
}

#[test]
fn an_error_about_a_stroke_names_it() {
    let error = decode_client_message(r#"{"type":"stroke","id":"s9","points":[[1,1,7]]}"#);
    assert_eq!(error.unwrap_err().id.as_deref(), Some("s9"));
    let error = decode_client_message(r#"{"type":"stroke","id":"s9","points":7}"#);
    assert_eq!(error.unwrap_err().id.as_deref(), Some("s9"));
}

#[test]
fn an_oversized_message_is_too_large() {
    let text = format!(
        r#"{{"type":"settings","prompt":"{}"}}"#,
        "x".repeat(MAX_TEXT_BYTES)
    );
    assert_eq!(refused(&text), ErrorCode::TooLarge);
}
