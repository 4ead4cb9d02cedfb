"""What every fixture folder ends with: the versions that made it."""

import json
import platform


def record_versions(folder, *packages):
    """Writes `versions.json` beside a script's fixtures and says how large they all are."""
    versions = {"python": platform.python_version()}
    for package in packages:
        versions[package.__name__] = package.__version__
    (folder / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{size / 1e6:.2f} MB in {folder}")
