//! The house of `ARCHITECTURE.md`: folders import from the floors below them only, and inside a
//! folder no files import each other in a circle.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders (or single files) of `src`, the lowest floor first.
const FLOORS: [&[&str]; 8] = [
    &["protocol", "journal", "python_json"],
    &["canvas", "kernels"],
    &["sampler", "model", "picture_file"],
    &["pipeline", "hub"],
    &["engine"],
    &["room"],
    &["server"],
    &["cli", "main"],
];

/// Neighbours on one floor: the first may import from the second.
const NEIGHBOURS: [(&str, &str); 2] = [("journal", "protocol"), ("main", "cli")];

/// Circles that were there before this test was, by the first file of each in the order of names.
/// None may be added; each is to be taken apart.
const KNOWN_CIRCLES: [&str; 5] = [
    "cli::bench::painting",
    "cli::bench::stroke",
    "cli::eval",
    "kernels::conv",
    "sampler::diffusion",
];

/// A module's path from the crate's root, as in `room::document::state`.
type Module = Vec<String>;

/// What one file says about imports.
#[derive(Default)]
struct Source {
    /// Every imported path, from the crate's root.
    imports: Vec<Module>,
    /// Names that a file makes visible as its own, and where they come from.
    exports: BTreeMap<String, Module>,
}

fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

fn module_of(root: &Path, file: &Path) -> Module {
    let inside = file.strip_prefix(root).unwrap().with_extension("");
    let mut module: Module = inside
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The source without comments, and without what is only there for tests.
fn without_tests(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""));
    let text: Vec<&str> = lines.collect();
    let mut kept = String::new();
    let mut at = 0;
    while at < text.len() {
        if text[at].trim() == "#[cfg(test)]" {
            let next = text[at + 1].trim();
            if next.starts_with("mod ") && next.ends_with('{') {
                break;
            }
            // One declaration of an import, a module, or a block.
            at += 1;
            let is_block = |line: &str| line.trim_end().ends_with('{') && !line.contains("use ");
            let end = if is_block(text[at]) { "}" } else { ";" };
            while at < text.len() && !text[at].trim_end().ends_with(end) {
                at += 1;
            }
        } else {
            kept.push_str(text[at]);
            kept.push('\n');
        }
        at += 1;
    }
    kept
}

/// Takes `a::{b, c::d}` apart: every path in it, and the name under which it is known.
fn paths_in(tree: &str, before: &[String], found: &mut Vec<(Module, String)>) {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let mut before = before.to_vec();
        let names = tree[..open].trim().trim_end_matches("::").split("::");
        before.extend(
            names
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        );
        let inside = &tree[open + 1..tree.rfind('}').unwrap()];
        let (mut depth, mut start) = (0, 0);
        for (place, letter) in inside.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    paths_in(&inside[start..place], &before, found);
                    start = place + 1;
                }
                _ => {}
            }
        }
        return paths_in(&inside[start..], &before, found);
    }
    if tree.is_empty() {
        return;
    }
    let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let mut module = before.to_vec();
    module.extend(path.split("::").map(|name| name.trim().to_owned()));
    if module.last().is_some_and(|last| last == "self") {
        module.pop();
    }
    let name = match alias.trim() {
        "" => module.last().cloned().unwrap_or_default(),
        alias => alias.to_owned(),
    };
    found.push((module, name));
}

fn source_of(module: &Module, text: &str, modules: &BTreeSet<Module>) -> Source {
    let mut source = Source::default();
    let text = without_tests(text);
    // What follows `use` up to the semicolon, with what stands before it in the line.
    for (place, _) in text.match_indices("use ") {
        let line_start = text[..place].rfind('\n').map_or(0, |end| end + 1);
        let visibility = text[line_start..place].trim();
        let is_export = visibility.starts_with("pub");
        if !visibility.is_empty() && !is_export {
            continue;
        }
        let end = place + text[place..].find(';').unwrap();
        let mut found = Vec::new();
        paths_in(&text[place + 4..end], &[], &mut found);
        for (path, name) in found {
            let Some(path) = from_root(module, &path, modules) else {
                continue;
            };
            if is_export {
                source.exports.insert(name, path);
            } else {
                source.imports.push(path);
            }
        }
    }
    source
}

/// A path from the crate's root; none where it leads out of the crate.
fn from_root(module: &Module, path: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    let first = path.first()?.as_str();
    let mut root = module.clone();
    let rest = match first {
        "crate" | "impasto" => {
            root.clear();
            &path[1..]
        }
        "self" => &path[1..],
        "super" => {
            let ups = path.iter().take_while(|name| *name == "super").count();
            root.truncate(root.len().checked_sub(ups)?);
            &path[ups..]
        }
        child => {
            let mut inside = module.clone();
            inside.push(child.to_owned());
            if !modules.contains(&inside) {
                return None;
            }
            path
        }
    };
    root.extend(rest.iter().cloned());
    Some(root)
}

/// The file that a path leads to, through what modules export.
fn file_of(path: &Module, sources: &BTreeMap<Module, Source>) -> Option<Module> {
    let mut path = path.clone();
    for _ in 0..8 {
        let end = (0..=path.len())
            .rev()
            .find(|end| sources.contains_key(&path[..*end]))?;
        let module = path[..end].to_vec();
        let Some(name) = path.get(end) else {
            return Some(module);
        };
        let source = &sources[&module];
        match source.exports.get(name) {
            Some(target) => {
                let mut next = target.clone();
                next.extend_from_slice(&path[end + 1..]);
                if next == path {
                    return Some(module);
                }
                path = next;
            }
            None => return Some(module),
        }
    }
    None
}

/// Which files import which.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    files_under(&root, &mut files);
    let is_test = |module: &Module| {
        module
            .iter()
            .any(|name| name == "tests" || name == "testing")
    };
    let texts: BTreeMap<Module, String> = files
        .iter()
        .map(|file| (module_of(&root, file), fs::read_to_string(file).unwrap()))
        .filter(|(module, _)| !is_test(module))
        .collect();
    let modules: BTreeSet<Module> = texts.keys().cloned().collect();
    let sources: BTreeMap<Module, Source> = texts
        .iter()
        .map(|(module, text)| (module.clone(), source_of(module, text, &modules)))
        .collect();
    let targets = |source: &Source| {
        let found = source.imports.iter();
        found.filter_map(|path| file_of(path, &sources)).collect()
    };
    sources
        .iter()
        .map(|(module, source)| (module.clone(), targets(source)))
        .collect()
}

fn floor_of(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

#[test]
fn folders_import_from_below_only() {
    let mut wrong = Vec::new();
    for (from, targets) in imports() {
        let Some(folder) = from.first().filter(|folder| *folder != "lib") else {
            continue;
        };
        let floor = floor_of(folder);
        assert!(floor.is_some(), "`{folder}` has no floor yet: give it one");
        for to in targets {
            let Some(other) = to
                .first()
                .filter(|other| *other != folder && *other != "lib")
            else {
                continue;
            };
            let is_neighbour = NEIGHBOURS.contains(&(folder.as_str(), other.as_str()));
            if floor_of(other) >= floor && !is_neighbour {
                wrong.push(format!("{} imports {}", from.join("::"), to.join("::")));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports from above:\n{}",
        wrong.join("\n")
    );
}

/// Everything that a file reaches inside its folder.
fn reachable(from: &Module, imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from.clone()];
    while let Some(module) = waiting.pop() {
        for to in imports.get(&module).into_iter().flatten() {
            if *to != module && to.first() == from.first() && reached.insert(to.clone()) {
                waiting.push(to.clone());
            }
        }
    }
    reached
}

#[test]
fn files_of_a_folder_do_not_import_each_other_in_a_circle() {
    let imports = imports();
    let reach: BTreeMap<&Module, BTreeSet<Module>> = imports
        .keys()
        .map(|module| (module, reachable(module, &imports)))
        .collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (module, reached) in &reach {
        if reached.contains(*module) {
            let with = reached
                .iter()
                .filter(|other| reach[other].contains(*module));
            circles.insert(with.map(|other| other.join("::")).collect());
        }
    }
    let firsts: Vec<&str> = circles.iter().map(|circle| circle[0].as_str()).collect();
    let told: Vec<String> = circles.iter().map(|circle| circle.join(" <-> ")).collect();
    assert_eq!(firsts, KNOWN_CIRCLES, "circles:\n{}", told.join("\n"));
}
