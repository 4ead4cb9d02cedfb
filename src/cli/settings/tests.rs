use super::values::bytes_from_text;
use super::*;

fn resolve(flags: &ServeFlags, toml: Option<&str>) -> Result<ServeSettings, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("impasto.toml");
    if let Some(toml) = toml {
        std::fs::write(&file, toml).unwrap();
    }
    ServeSettings::from_sources(flags, Toml::string(""), toml.map(|_| file.as_path()))
}

#[test]
fn without_any_source_the_defaults_hold() {
    assert_eq!(
        resolve(&ServeFlags::default(), None).unwrap(),
        ServeSettings::default()
    );
}

#[test]
fn flags_come_before_the_file() {
    let flags = ServeFlags {
        device: Some("cuda:1".to_owned()),
        ..ServeFlags::default()
    };
    let toml = "device = \"metal\"\nlisten = \"0.0.0.0:80\"\nallow_origin = [\"https://a\"]";
    let settings = resolve(&flags, Some(toml)).unwrap();
    assert_eq!(settings.device, "cuda:1");
    assert_eq!(settings.listen.port(), 80);
    assert_eq!(settings.allow_origin, ["https://a"]);
    assert!(settings.auth_required());
}

#[test]
fn the_environment_stands_between_flags_and_file() {
    let flags = ServeFlags {
        device: Some("cpu".to_owned()),
        ..ServeFlags::default()
    };
    let environment = Toml::string(
        "listen = \"127.0.0.1:2\"\ndevice = \"metal\"\nallow_origin = \"https://a, https://b\"",
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("impasto.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:1\"\nthreads = 3").unwrap();
    let settings = ServeSettings::from_sources(&flags, environment, Some(&file)).unwrap();
    assert_eq!(settings.listen.port(), 2);
    assert_eq!(settings.device, "cpu");
    assert_eq!(settings.threads, Some(3));
    assert_eq!(settings.allow_origin, ["https://a", "https://b"]);
}

#[test]
fn bytes_have_units_or_none() {
    for (toml, bytes) in [
        ("latent_budget = \"512MiB\"", 512 << 20),
        ("latent_budget = \"2 GB\"", 2_000_000_000),
        ("latent_budget = \"4096\"", 4096),
        ("latent_budget = 0", 0),
    ] {
        let settings = resolve(&ServeFlags::default(), Some(toml)).unwrap();
        assert_eq!(settings.latent_budget, bytes, "{toml}");
    }
    let flags = ServeFlags {
        latent_budget: Some(1_000_001),
        ..ServeFlags::default()
    };
    assert_eq!(resolve(&flags, None).unwrap().latent_budget, 1_000_001);
    assert!(bytes_from_text("-1MiB").is_err());
}

#[test]
fn loras_come_from_every_source() {
    let ink = |weight| LoraFlag {
        file: "ink.safetensors".into(),
        weight,
    };
    let lcm = LoraFlag {
        file: r"C:\lcm".into(),
        weight: 1.0,
    };
    let toml = r#"lora = ["ink.safetensors:0.5", 'C:\lcm']"#;
    let settings = resolve(&ServeFlags::default(), Some(toml)).unwrap();
    assert_eq!(settings.lora, [ink(0.5), lcm.clone()]);
    let environment = Toml::string(r#"lora = 'ink.safetensors:-1, C:\lcm'"#);
    let settings = ServeSettings::from_sources(&ServeFlags::default(), environment, None);
    assert_eq!(settings.unwrap().lora, [ink(-1.0), lcm]);
    let flags = ServeFlags {
        lora: vec![ink(2.0)],
        ..ServeFlags::default()
    };
    assert_eq!(resolve(&flags, Some(toml)).unwrap().lora, [ink(2.0)]);
}

#[test]
fn pictures_are_checked_by_what_the_last_source_says() {
    let chosen = |text: &str| text.parse::<SafetyCheckerFlag>().unwrap();
    let toml = "safety_checker = \"on\"";
    let settings = resolve(&ServeFlags::default(), Some(toml)).unwrap();
    assert_eq!(settings.safety_checker, chosen("on"));
    let flags = ServeFlags {
        safety_checker: Some(chosen("models/checker")),
        ..ServeFlags::default()
    };
    let settings = resolve(&flags, Some(toml)).unwrap();
    assert_eq!(settings.safety_checker, chosen("models/checker"));
    let settings = resolve(&ServeFlags::default(), None).unwrap();
    assert_eq!(settings.safety_checker, chosen("off"));
}

#[test]
fn a_bad_file_is_named_with_its_key() {
    for (toml, word) in [
        ("listen = \"nowhere\"", "listen"),
        ("colour = 1", "colour"),
        ("auth = \"maybe\"", "auth"),
        ("threads = 0", "threads"),
        ("latent_budget = \"much\"", "512MiB"),
        ("inversion_steps = 0", "inversion_steps"),
        ("sockets = 0", "sockets"),
        ("connections = 9999999", "connections"),
        ("rooms = 0", "rooms"),
        ("members_per_room = 0", "members_per_room"),
        ("trusted_proxy = \"proxy\"", "trusted_proxy"),
        ("room_memory = \"much\"", "4GiB"),
        ("lora = \"ink.safetensors:much\"", "much"),
        ("safety_checker = true", "safety_checker"),
        ("listen = ", "impasto.toml"),
    ] {
        let failure = resolve(&ServeFlags::default(), Some(toml)).unwrap_err();
        assert_eq!(failure.code(), 2, "{toml}");
        let message = failure.to_string();
        assert!(message.contains(word), "{toml}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn a_missing_file_that_was_asked_for_is_an_error() {
    let flags = ServeFlags {
        config: Some("/no/such/file.toml".into()),
        ..ServeFlags::default()
    };
    assert_eq!(ServeSettings::resolve(&flags).unwrap_err().code(), 2);
}

#[test]
fn auth_is_automatic_by_address() {
    let on = |listen: &str, auth| {
        let settings = ServeSettings {
            listen: listen.parse().unwrap(),
            auth,
            ..ServeSettings::default()
        };
        settings.auth_required()
    };
    assert!(!on("127.0.0.1:1", AuthChoice::Auto));
    assert!(!on("[::1]:1", AuthChoice::Auto));
    assert!(on("0.0.0.0:1", AuthChoice::Auto));
    assert!(on("127.0.0.1:1", AuthChoice::On));
    assert!(!on("0.0.0.0:1", AuthChoice::Off));
}
