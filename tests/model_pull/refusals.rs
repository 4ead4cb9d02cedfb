//! What cannot be pulled is refused in one sentence that says what to do, before anything is
//! written.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::hub::{Fault, Listing, TestHub};
use crate::{PULL, Person};

fn assert_untouched(person: &Person) {
    let left = std::fs::read_dir(person.models.path()).unwrap().count();
    assert_eq!(left, 0, "something was written");
}

#[test]
fn a_hub_that_refuses_is_understood() {
    for ((status, code, text), exit, words) in [
        (
            (401, "RepoNotFound", ""),
            2,
            ["no model tiny/model", "HF_TOKEN"],
        ),
        (
            (404, "", "not found"),
            2,
            ["no model tiny/model", "spelling"],
        ),
        (
            (404, "RevisionNotFound", ""),
            2,
            ["no revision main", "branch"],
        ),
        (
            (403, "GatedRepo", ""),
            2,
            ["gated", "accept its terms at http"],
        ),
        ((401, "", ""), 2, ["does not let you read", "HF_TOKEN"]),
        ((503, "", ""), 1, ["503", "try again later"]),
        (
            (200, "", "<html>Sign in</html>"),
            1,
            ["as a hub does", "HF_ENDPOINT"],
        ),
    ] {
        let hub = TestHub::with_fixture("sd15");
        hub.list_as(Listing {
            instead: Some((status, code, text)),
            ..Listing::default()
        });
        let person = Person::of(&hub);
        person.is_refused(&PULL, exit, &words);
        assert_untouched(&person);
    }
}

#[test]
fn a_gated_repository_lists_its_files_and_refuses_them() {
    for (status, code, word) in [
        (401, "GatedRepo", "accept its terms"),
        (403, "GatedRepo", "accept its terms"),
        (403, "", "HF_TOKEN"),
    ] {
        let hub = TestHub::with_fixture("sd15");
        hub.fail("model_index.json", Fault::Refused(status, code));
        let person = Person::of(&hub);
        person.is_refused(&PULL, 2, &["tiny/model", word]);
        assert_untouched(&person);
    }
}

#[test]
fn a_hub_that_has_another_model_says_so() {
    let hub = TestHub::with_fixture("sd15");
    let person = Person::of(&hub);
    let arguments = ["model", "pull", "tiny/unknown"];
    person.is_refused(&arguments, 2, &["no model tiny/unknown", "spelling"]);
    assert_untouched(&person);
}

#[test]
fn without_a_network_the_hub_is_named() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for endpoint in [endpoint.as_str(), "https://hub.invalid"] {
        let person = Person::at(endpoint);
        let words = ["cannot reach", endpoint, "HF_ENDPOINT"];
        person.is_refused(&PULL, 1, &words);
        assert_untouched(&person);
    }
}

#[test]
fn names_that_are_none_are_refused_before_anything_is_asked() {
    let hub = TestHub::with_fixture("sd15");
    let person = Person::of(&hub);
    for id in [
        "../model",
        "tiny/../..",
        "/etc",
        "https://huggingface.co/a/b",
    ] {
        let words = ["not a model id", "stabilityai/sd-turbo"];
        person.is_refused(&["model", "pull", id], 2, &words);
    }
    let revision = [&PULL[..], &["--revision", "../main"]].concat();
    person.is_refused(&revision, 2, &["not a revision"]);
    assert!(hub.seen().is_empty());
    let nowhere = Person::at("huggingface.co");
    nowhere.is_refused(&PULL, 2, &["`huggingface.co`", "HF_ENDPOINT"]);
    assert_untouched(&person);
}

#[test]
fn a_file_that_would_lie_outside_is_refused() {
    for name in [
        "../../outside.safetensors",
        "/etc/passwd",
        "unet/../../outside",
        "unet\\..\\outside",
        "C:outside",
        "unet//config.json",
    ] {
        let hub = TestHub::with_fixture("sd15");
        hub.list_as(Listing {
            phantoms: vec![name.to_owned()],
            ..Listing::default()
        });
        let person = Person::of(&hub);
        let words = ["outside its folder", "do not use"];
        person.is_refused(&PULL, 2, &words);
        assert_untouched(&person);
    }
}

#[test]
fn files_that_cannot_be_checked_are_refused() {
    let hub = TestHub::with_fixture("sd15");
    hub.list_as(Listing {
        bare: true,
        no_etags: true,
        ..Listing::default()
    });
    let person = Person::of(&hub);
    person.is_refused(&PULL, 2, &["model_index.json", "cannot be checked"]);
    assert_untouched(&person);
}

#[test]
fn repositories_that_cannot_paint_are_refused_before_their_weights() {
    let refused = |change: &dyn Fn(&TestHub), words: &[&str]| {
        let hub = TestHub::with_fixture("sd15");
        change(&hub);
        let person = Person::of(&hub);
        person.is_refused(&PULL, 2, words);
        assert_untouched(&person);
    };
    refused(
        &|hub| hub.remove("model_index.json"),
        &["no model_index.json", "save_pretrained"],
    );
    refused(
        &|hub| hub.remove("vae/config.json"),
        &["no vae/config.json"],
    );
    refused(
        &|hub| {
            let weights = "unet/diffusion_pytorch_model.safetensors";
            hub.put("unet/diffusion_pytorch_model.bin", hub.file(weights));
            hub.remove(weights);
        },
        &["no safetensors of its unet"],
    );
    refused(
        &|hub| hub.remove("tokenizer/merges.txt"),
        &["no tokenizer/merges.txt"],
    );
    refused(
        &|hub| {
            let index = String::from_utf8(hub.file("model_index.json").to_vec()).unwrap();
            let index = index.replace("UNet2DConditionModel", "FluxTransformer2DModel");
            hub.put("model_index.json", index);
        },
        &["FluxTransformer2DModel", "not supported"],
    );
    refused(
        &|hub| hub.put("model_index.json", "[]"),
        &["model_index.json", "not valid JSON"],
    );
}

#[test]
fn a_models_folder_that_cannot_be_written_is_named() {
    let hub = TestHub::with_fixture("sd15");
    let person = Person::of(&hub);
    let file = person.models.path().join("tiny");
    std::fs::write(&file, "not a folder").unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    person.is_refused(&PULL, 1, &["cannot write", "IMPASTO_MODELS"]);
}
