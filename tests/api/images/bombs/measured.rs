//! What an upload costs: how much memory the server takes more for it, and how much the tools had that it ran.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::support::{load::memory, media::temporary};

const TOOLS: [(&str, &str); 2] = [("ffmpeg", "PLAYHOUSE_MEDIA__FFMPEG"), ("ffprobe", "PLAYHOUSE_MEDIA__FFPROBE")];

/// Programs in place of the tools, which run them and say what they took; removed when dropped.
pub(super) struct Measured {
    folder: PathBuf,
    programs: BTreeMap<&'static str, String>,
}

/// What an upload took, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// More than the server had before, at the most.
    pub(super) server: u64,
    /// The most that a tool had in all, its libraries included.
    pub(super) tool: u64,
    pub(super) runs: usize,
}

/// The server as it was before.
pub(super) struct Begun {
    pid: i32,
    memory: u64,
}

impl Measured {
    pub(super) fn new() -> Self {
        let folder = temporary("measured");
        fs::create_dir_all(folder.join("runs")).expect("a folder");
        let measure = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/measured.py");
        let runs = folder.join("runs");
        let programs = TOOLS.map(|(tool, setting)| {
            let program = folder.join(tool);
            let (runs, tool) = (runs.display(), found(tool));
            let script =
                format!("#!/bin/sh\nexec /usr/bin/python3 -ISB '{measure}' '{runs}' '{}' \"$@\"\n", tool.display());
            fs::write(&program, script).expect("a program");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
            (setting, program.to_str().expect("a path").to_owned())
        });
        Self { programs: programs.into(), folder }
    }

    pub(super) fn settings(&self) -> Vec<(&'static str, &str)> {
        self.programs.iter().map(|(setting, program)| (*setting, program.as_str())).collect()
    }

    /// From now on the server's and the tools' memory counts.
    pub(super) fn begin(&self, pid: i32) -> Begun {
        for run in self.runs() {
            fs::remove_dir(run).expect("a folder");
        }
        // The most that it had so far becomes what it has now (proc(5)).
        fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a process of ours");
        Begun { pid, memory: memory(pid, "VmRSS") }
    }

    pub(super) fn end(&self, begun: &Begun) -> Cost {
        let runs = self.runs();
        let peaks = runs.iter().map(|run| {
            // `ffmpeg.<kilobytes>.<process>`
            let name = run.file_name().and_then(|name| name.to_str()).expect("a name");
            name.split('.').nth(1).and_then(|peak| peak.parse::<u64>().ok()).expect("a number") * 1024
        });
        Cost {
            server: memory(begun.pid, "VmHWM").saturating_sub(begun.memory),
            tool: peaks.max().unwrap_or_default(),
            runs: runs.len(),
        }
    }

    fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join("runs")).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The program of this name in PATH.
fn found(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    let places = std::env::split_paths(&path).map(|folder: PathBuf| folder.join(program));
    places.into_iter().find(|file: &PathBuf| Path::is_file(file)).expect("a program")
}
